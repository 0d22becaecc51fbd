using Minke.Store.Tests;

// The tests; or what they start in a process of its own: see the files named.
return args switch
{
    ["crash-child"] => await CrashChild.RunAsync(),
    ["hold", var directory] => await HoldChild.RunAsync(directory),
    ["bench", .. var rest] => await Bench.RunAsync(rest),
    _ => await Xunit.Runner.InProc.SystemConsole.ConsoleRunner.Run(args),
};
