using System.Text;

namespace Minke.Store.Log.Sqlite;

/// <summary>Looks for damage in a state's file: what SQLite finds, and what the rows must be to be a state.</summary>
internal sealed class SqliteCheck(SqliteDatabase database, string path)
{
    private readonly List<string> _problems = [];
    private readonly List<Entry> _entries = [];

    public LogCheck Run()
    {
        var counter = Revision.None;
        Attempt(() => database.Execute("PRAGMA shrink_memory")); // what is cached would hide what is on the disk
        Attempt(CheckFile);
        Attempt(() => counter = new(database.Query(SqliteLog.CounterQuery)));
        if (counter.Value < 1)
            _problems.Add($"{path}: its counter is gone");
        Attempt(() => ReadRows(counter));
        CheckKeys();
        return new(new LogContents(counter, _entries), _problems);
    }

    /// <summary>Damage in one place must not hide what is wrong in another.</summary>
    private void Attempt(Action look)
    {
        try
        {
            look();
        }
        catch (SqliteException exception) when (exception.IsCorrupt)
        {
            _problems.Add($"{path} is damaged: {exception.Message}");
        }
    }

    private void CheckFile()
    {
        using var check = database.Prepare("PRAGMA integrity_check");
        while (check.Step())
        {
            if (Encoding.UTF8.GetString(check.Bytes(0)) is not "ok" and var problem)
                _problems.Add($"{path}: {problem}");
        }
    }

    private void ReadRows(Revision counter)
    {
        using var select = database.Prepare("SELECT revision, created, key, value FROM entries");
        while (select.Step())
        {
            var entry = new Entry(Encoding.UTF8.GetString(select.Bytes(2)), select.Bytes(3).ToArray(), new(select.Int64(1)), new(select.Int64(0)));
            if (entry.Modified > counter)
                _problems.Add($"{entry.Key} is at revision {entry.Modified}, later than the counter, {counter}");
            if (entry.Created.Value < 1 || entry.Created > entry.Modified)
                _problems.Add($"{entry.Key} is at revision {entry.Modified}, and was made at {entry.Created}");
            _entries.Add(entry);
        }
    }

    private void CheckKeys()
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in _entries)
        {
            if (!seen.Add(entry.Key))
                _problems.Add($"{entry.Key} is there twice");
        }
    }
}
