using Minke.Cel.Checking;
using Minke.Cel.Evaluation;
using Minke.Cel.Libraries;
using Minke.Cel.Syntax;
using Minke.Cel.Types;

namespace Minke.Cel;

/// <summary>
/// Which language. A rule that is stored may use all there is; one that is newly written only what the version before had as well, so that a
/// server can be rolled back: as upstream keeps the two apart.
/// </summary>
public enum CelLanguage
{
    /// <summary>Kubernetes 1.31: what a new expression may use in 1.32.</summary>
    NewExpressions,

    /// <summary>Kubernetes 1.32: also macros with two variables.</summary>
    StoredExpressions,

    /// <summary>And <c>cel.bind</c>, which Kubernetes 1.32 does not turn on.</summary>
    Everything,
}

/// <summary>Functions, macros and variables that expressions are compiled against. Immutable, cheap to extend, safe to share.</summary>
public sealed class CelEnvironment
{
    private static readonly Lazy<FunctionTable> Functions = new(KubernetesLibraries.Build);

    private readonly FunctionTable _functions;
    private readonly MacroSet _macros;
    private readonly IReadOnlyDictionary<string, CelType> _variables;

    private CelEnvironment(FunctionTable functions, MacroSet macros, IReadOnlyDictionary<string, CelType> variables)
    {
        _functions = functions;
        _macros = macros;
        _variables = variables;
        // With a dot before it, and no type has a longer one than this.
        LongestName = 1 + Math.Max("google.protobuf.Timestamp".Length, Math.Max(functions.LongestName, variables.Keys.Select(name => name.Length).DefaultIfEmpty().Max()));
    }

    /// <summary>Kubernetes' environment without variables.</summary>
    public static CelEnvironment Create(CelLanguage language = CelLanguage.NewExpressions) => new(
        Functions.Value,
        new MacroSet(hasTwoVariables: language >= CelLanguage.StoredExpressions, hasOptionals: true, hasBindings: language == CelLanguage.Everything),
        new Dictionary<string, CelType>());

    /// <summary>
    /// The same with more variables; a name already there gets the new type. Names may be paths: <c>variables.x</c>. How long values can be, for
    /// the estimate of cost, is in the types (<see cref="CelType.MaxElements"/>).
    /// </summary>
    public CelEnvironment With(params ReadOnlySpan<(string Name, CelType Type)> variables)
    {
        var all = new Dictionary<string, CelType>(_variables, StringComparer.Ordinal);
        foreach (var (name, type) in variables)
            all[name] = type;
        return new CelEnvironment(_functions, _macros, all);
    }

    /// <summary>Parses, checks and plans. Never throws because of the text.</summary>
    public CelCompilation Compile(string expression)
    {
        var source = new SourceText(expression);
        var issues = new List<CelIssue>();
        if (Parser.Parse(source, _macros, issues) is not { } parsed)
            return new CelCompilation(null, issues);
        new Checker(this, source, issues).Check(parsed);
        if (issues.Count == 0)
            LiteralRules.Check(parsed, source, issues);
        if (issues.Count > 0)
            return new CelCompilation(null, [.. issues.OrderBy(issue => (issue.Line, issue.Column))]);

        var planner = new Planner(this);
        try
        {
            var plan = planner.Plan(parsed);
            return new CelCompilation(new CelProgram(expression, parsed, plan, planner.Locals, this), issues);
        }
        catch (PlanException error)
        {
            return new CelCompilation(null, [CelIssue.OfProgram(error.Message)]);
        }
    }

    /// <summary>No longer path of names need be looked up.</summary>
    internal int LongestName { get; }

    internal Overload OptionalSelect => OptionalLibrary.Select;

    internal CelType? Variable(string name) => _variables.GetValueOrDefault(name);

    internal Function? Function(string name) => _functions.Find(name.Length > 0 && name[0] == '.' ? name[1..] : name);

    /// <summary>Types that expressions can name.</summary>
    internal CelType? NamedType(string name) => name switch
    {
        "bool" => CelType.Bool,
        "bytes" => CelType.Bytes,
        "double" => CelType.Double,
        "int" => CelType.Int,
        "uint" => CelType.Uint,
        "string" => CelType.String,
        "null_type" => CelType.Null,
        "type" => CelType.Type,
        "list" => CelType.List(CelType.Dyn),
        "map" => CelType.Map(CelType.Dyn, CelType.Dyn),
        "google.protobuf.Duration" => CelType.Duration,
        "google.protobuf.Timestamp" => CelType.Timestamp,
        "optional_type" => CelType.Optional(CelType.Dyn),
        "net.IP" => NetworkLibrary.Ip,
        "net.CIDR" => NetworkLibrary.Cidr,
        _ => null,
    };
}

/// <summary>A program, or what is wrong with the expression.</summary>
/// <param name="Program">Null when there are issues.</param>
public sealed record CelCompilation(CelProgram? Program, IReadOnlyList<CelIssue> Issues)
{
    /// <summary>All issues as cel-go prints them, a line break between.</summary>
    public string ErrorText => CelIssue.Format(Issues);

    /// <summary>The expression is fine, but a constant in it has no value: no program can be made.</summary>
    public bool IsInstantiationFailure => Issues is [{ Line: 0 }];

    /// <summary>The issues as Kubernetes introduces them.</summary>
    public string Failure => IsInstantiationFailure ? ErrorText : "compilation failed: " + ErrorText;
}
