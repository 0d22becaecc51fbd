using Minke;
using Minke.Cli;

using var stop = new StopSignal().Listen();
var clock = TimeProvider.System;
return await new CommandLine(new Composition(clock), Terminal.Standard(), stop, clock).RunAsync(args);
