namespace Minke.Api;

/// <summary>The protobuf messages of the values whose JSON is written by hand.</summary>
internal static class ProtoNatives
{
    public static void Write(ProtoWriter writer, int field, Time value)
    {
        var mark = writer.Length;
        if (!value.IsZero)
        {
            writer.Int(2, 0);
            writer.Int(1, value.UnixSeconds);
        }
        writer.EndMessage(field, mark);
    }

    public static void Write(ProtoWriter writer, int field, MicroTime value)
    {
        var mark = writer.Length;
        if (!value.IsZero)
        {
            writer.Int(2, value.Utc.Ticks % TimeSpan.TicksPerSecond * 100);
            writer.Int(1, value.ToDateTimeOffset().ToUnixTimeSeconds());
        }
        writer.EndMessage(field, mark);
    }

    public static void Write(ProtoWriter writer, int field, Duration value)
    {
        var mark = writer.Length;
        writer.Int(1, value.Nanoseconds);
        writer.EndMessage(field, mark);
    }

    public static void Write(ProtoWriter writer, int field, Quantity value)
    {
        var mark = writer.Length;
        writer.String(1, value.ToString());
        writer.EndMessage(field, mark);
    }

    public static void Write(ProtoWriter writer, int field, IntOrString value)
    {
        var mark = writer.Length;
        writer.String(3, value.Text ?? "");
        writer.Int(2, value.Number);
        writer.Int(1, value.IsText ? 1 : 0);
        writer.EndMessage(field, mark);
    }

    public static void Write(ProtoWriter writer, int field, RawJson value)
    {
        var mark = writer.Length;
        if (!value.IsNull)
            writer.Bytes(1, value.Utf8);
        writer.EndMessage(field, mark);
    }

    public static Time ReadTime(ReadOnlySpan<byte> message)
    {
        var (seconds, _, isEmpty) = ReadTimestamp(message);
        return isEmpty ? default : new Time(seconds);
    }

    public static MicroTime ReadMicroTime(ReadOnlySpan<byte> message)
    {
        var (seconds, nanos, isEmpty) = ReadTimestamp(message);
        return isEmpty ? default : MicroTime.From(Moment(seconds).AddTicks(Math.Clamp(nanos, 0, 999_999_999) / 100));
    }

    public static Duration ReadDuration(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        long nanoseconds = 0;
        while (reader.Next(out var field))
        {
            if (field == 1)
                nanoseconds = reader.Int();
            else
                reader.Skip();
        }
        return new(nanoseconds);
    }

    public static Quantity ReadQuantity(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        var text = "";
        while (reader.Next(out var field))
        {
            if (field == 1)
                text = reader.String();
            else
                reader.Skip();
        }
        if (text.Length == 0)
            return default;
        return Quantity.TryParse(text, out var value) ? value : throw new ProtoReadException($"unable to parse quantity \"{text}\"");
    }

    public static IntOrString ReadIntOrString(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        long type = 0, number = 0;
        var text = "";
        while (reader.Next(out var field))
        {
            switch (field)
            {
                case 1:
                    type = reader.Int();
                    break;
                case 2:
                    number = reader.Int();
                    break;
                case 3:
                    text = reader.String();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        return type == 1 ? new IntOrString(text) : new IntOrString((int)number);
    }

    public static RawJson ReadRawJson(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        byte[]? raw = null;
        while (reader.Next(out var field))
        {
            if (field == 1)
                raw = reader.Bytes().ToArray();
            else
                reader.Skip();
        }
        // A RawExtension may hold an enveloped protobuf object of a kind we know: keep its JSON.
        if (raw is not null && ProtoEnvelope.IsEnvelope(raw))
            raw = Json.Write(ProtoEnvelope.ReadKnown(raw));
        return raw is null ? default : new(raw);
    }

    /// <summary>A list that is a message of its own, holding it as field 1.</summary>
    public static ApiList<string> ReadBox(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        var items = new List<string>();
        while (reader.Next(out var field))
        {
            if (field == 1)
                items.Add(reader.String());
            else
                reader.Skip();
        }
        return items;
    }

    // Out-of-range seconds are as wrong as a wrong type; both are refused before validation could speak.
    private static DateTimeOffset Moment(long seconds) =>
        seconds is >= -62135596800 and <= 253402300799
            ? DateTimeOffset.FromUnixTimeSeconds(seconds)
            : throw new ProtoReadException($"time out of range: {seconds}");

    private static (long Seconds, long Nanos, bool IsEmpty) ReadTimestamp(ReadOnlySpan<byte> message)
    {
        var reader = new ProtoReader(message);
        long seconds = 0, nanos = 0;
        while (reader.Next(out var field))
        {
            switch (field)
            {
                case 1:
                    seconds = reader.Int();
                    break;
                case 2:
                    nanos = reader.Int();
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        Moment(seconds);
        return (seconds, nanos, message.IsEmpty);
    }
}
