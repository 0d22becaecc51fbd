using System.Text.Json;
using System.Text.Json.Serialization;

namespace Minke.Cli.Doctor;

/// <summary><c>minke doctor</c>: the diagnosis of this machine, with what to do.</summary>
internal sealed class DoctorVerb(Terminal terminal, MachineFacts facts)
{
    public int Run(bool asJson)
    {
        var findings = Diagnosis.Of(facts);
        if (asJson)
            terminal.Out.WriteLine(JsonSerializer.Serialize(findings, DoctorJson.Default.IReadOnlyListFinding));
        else
            Print(findings);
        return findings.Any(finding => finding.Verdict == Verdict.Missing) ? 1 : 0;
    }

    private void Print(IReadOnlyList<Finding> findings)
    {
        var width = findings.Max(finding => finding.Name.Length);
        foreach (var finding in findings)
        {
            var sign = finding.Verdict switch { Verdict.Good => "ok  ", Verdict.Advice => "note", _ => "MISS" };
            terminal.Out.WriteLine($"{sign}  {finding.Name.PadRight(width)}  {finding.Found}{(finding.Remedy.Length > 0 ? "  →  " + finding.Remedy : "")}");
        }
        var missing = findings.Count(finding => finding.Verdict == Verdict.Missing);
        terminal.Out.WriteLine(missing > 0 ? $"{missing} missing: do what the lines marked MISS say"
            : facts.IsRoot ? "this machine can run pods"
            : "nothing is missing of what could be looked at; running pods needs root: sudo minke up");
    }
}

[JsonSerializable(typeof(IReadOnlyList<Finding>))]
[JsonSourceGenerationOptions(WriteIndented = true, PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
internal sealed partial class DoctorJson : JsonSerializerContext;
