using System.Text;
using Minke.Api;
using Minke.Server.Admission.Webhooks;

namespace Minke.Server.Tests.Admission;

/// <summary>Whatever a webhook sends is an answer, or one of the two ways of not being one.</summary>
public sealed class ReviewAnswerFuzzTests
{
    private static readonly string[] Seeds =
    [
        """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"patchType":"JSONPatch","patch":"W10=","warnings":["w"],"auditAnnotations":{"a":"b"}}}""",
        """{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":false,"status":{"code":403,"message":"m","reason":"r","details":{"causes":[{"field":"f"}]}}}}""",
        """{"response":{"uid":"u","allowed":1.5,"status":[],"warnings":{},"patch":"%%"}}""",
    ];

    [Fact]
    public void Nothing_else_comes_of_bytes_that_were_tampered_with()
    {
        var random = new Random(13);
        for (var round = 0; round < 20_000; round++)
        {
            var json = Encoding.UTF8.GetBytes(Seeds[round % Seeds.Length]);
            for (var changes = random.Next(4); changes > 0; changes--)
                json[random.Next(json.Length)] = (byte)random.Next(256);
            json = json[..(random.Next(4) == 0 ? random.Next(json.Length) : json.Length)];
            try
            {
                var answer = ReviewAnswer.Read(json, round % 2 == 0 ? "v1" : "v1beta1", "u", isMutating: round % 3 == 0);
                if (answer.Patch.Length > 0)
                    ObjectPatch.Decode("hook", answer.Patch);
            }
            catch (Exception e) when (e is JsonReadException or UnfitAnswerException or CallFailedException)
            {
                // What a caller expects.
            }
        }
    }
}
