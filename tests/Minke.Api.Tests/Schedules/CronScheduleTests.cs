using FsCheck;
using FsCheck.Fluent;

namespace Minke.Api.Tests.Schedules;

public sealed class CronScheduleTests
{
    [Fact]
    public void Fields_become_sets()
    {
        var schedule = CronSchedule.Parse("0,30 8-18/5 1 jan-MAR mon");
        Assert.Equal([0, 30], Bits(schedule.Minutes));
        Assert.Equal([8, 13, 18], Bits(schedule.Hours));
        Assert.Equal([1], Bits(schedule.DaysOfMonth));
        Assert.Equal([1, 2, 3], Bits(schedule.Months));
        Assert.Equal([1], Bits(schedule.DaysOfWeek));
        Assert.False(schedule.IsAnyDayOfMonth || schedule.IsAnyDayOfWeek);
    }

    [Fact]
    public void A_start_with_a_step_goes_on_to_the_end() => Assert.Equal([5, 20, 35, 50], Bits(CronSchedule.Parse("5/15 * * * *").Minutes));

    [Fact]
    public void A_step_larger_than_any_number_makes_one_run() =>
        Assert.Equal([5], Bits(CronSchedule.Parse("5/9223372036854775807 * * * *").Minutes));

    [Theory]
    [InlineData("* * * * *", true)]
    [InlineData("* * ? * *", true)]
    [InlineData("* * */1 * *", true)]
    [InlineData("* * */2 * *", false)]
    [InlineData("* * 1-31 * *", false)]
    public void Any_day_is_kept_apart_from_all_days(string text, bool isAny) => Assert.Equal(isAny, CronSchedule.Parse(text).IsAnyDayOfMonth);

    [Fact]
    public void Names_stand_for_fields()
    {
        var weekly = CronSchedule.Parse("@weekly");
        Assert.Equal([0], Bits(weekly.DaysOfWeek));
        Assert.True(weekly.IsAnyDayOfMonth);
        Assert.Equal(Duration.Parse("1h30m"), CronSchedule.Parse("@every 1h30m").Every);
        Assert.Equal("UTC", CronSchedule.Parse("CRON_TZ=UTC @daily").Zone);
    }

    [Fact]
    public void Whatever_is_sent_is_read_or_refused() => Prop.ForAll<string>(text => ReadOrRefuse(text ?? "")).QuickCheckThrowOnFailure();

    /// <summary>Texts of a schedule's own letters get further in than random ones.</summary>
    [Fact]
    public void Whatever_looks_like_a_schedule_is_read_or_refused()
    {
        const string letters = "0123456789*?/-,  @JANmonevryTZ=+";
        var random = new Random(7);
        for (var round = 0; round < 20_000; round++)
        {
            var text = new string([.. Enumerable.Range(0, random.Next(24)).Select(_ => letters[random.Next(letters.Length)])]);
            ReadOrRefuse(text);
            ReadOrRefuse(text + " * * * *");
        }
    }

    private static void ReadOrRefuse(string text)
    {
        try
        {
            CronSchedule.Parse(text);
        }
        catch (FormatException)
        {
            // Refused.
        }
    }

    private static IEnumerable<int> Bits(ulong set) => Enumerable.Range(0, 64).Where(bit => (set >> bit & 1) == 1);
}
