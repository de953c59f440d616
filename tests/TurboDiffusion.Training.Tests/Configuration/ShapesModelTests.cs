using TurboDiffusion.Training.Configuration;
using TurboDiffusion.Training.Samples;
using Xunit;

namespace TurboDiffusion.Training.Tests.Configuration;

/// <summary>The configurations that the shapes model is trained with.</summary>
public class ShapesModelTests
{
    [Fact]
    public void Every_stage_begins_from_what_the_last_one_wrote()
    {
        VaeTrainingConfig first = Load<VaeTrainingConfig>("vae-1"), second = Load<VaeTrainingConfig>("vae-2"),
            third = Load<VaeTrainingConfig>("vae-3"), wider = Load<VaeTrainingConfig>("vae-4"), last = Load<VaeTrainingConfig>("vae-5");
        TeacherConfig small = Load<TeacherConfig>("teacher-1"), whole = Load<TeacherConfig>("teacher-2"),
            teacher = Load<TeacherConfig>("teacher-3"), adapted = Load<TeacherConfig>("teacher-4");
        SlaConfig sla = Load<SlaConfig>("sla");
        RcmConfig rcm = Load<RcmConfig>("rcm"), guided = Load<RcmConfig>("guided");
        string Model(RunConfig run) => $"{run.Output}/{TrainingRun.ModelFile}";
        string text = $"{small.Output}/{TrainingRun.TextEncoderFile}";
        Assert.Equal(Model(first), second.Initial);
        Assert.Equal(Model(second), third.Initial);
        Assert.Equal((Model(third), true), (wider.Initial, wider.Width > first.Width && wider.DecoderWidth > first.Width));
        Assert.Equal((Model(small), text), (whole.Initial, whole.TextEncoder));
        Assert.Equal((Model(whole), text), (teacher.Initial, teacher.TextEncoder));
        Assert.Equal((teacher.Output, text, teacher.Data), (adapted.Output, adapted.TextEncoder, adapted.Data));
        Assert.Equal((Model(teacher), text, teacher.Data), (guided.Teacher, guided.TextEncoder, guided.Data));
        Assert.Equal((Model(guided), Model(teacher), text, guided.Data), (rcm.Initial, rcm.Teacher, rcm.TextEncoder, rcm.Data));
        Assert.Equal(($"{rcm.Output}/{ScoreObserver.BestFile}", text, rcm.Data), (sla.Teacher, sla.TextEncoder, sla.Data));
        Assert.Equal((Model(wider), false), (last.Initial, last.DecoderOnly));
        Assert.Equal(small.NewTextEncoder!.Dim, small.Model!.TextDim);
        Assert.Equal(128, small.Model.HeadDim);
        // Guided regression and rCM are two halves of one distillation, with one seed.
        Assert.Equal(guided.Training.Seed, rcm.Training.Seed);
        RunConfig[] all = [first, second, third, wider, last, small, whole, teacher, adapted, sla, rcm];
        Assert.Equal(all.Length, all.Select(c => c.Training.Seed).Distinct().Count());
    }

    // The two tunings that the embedded model's is compared with differ from it in one thing each.
    [Fact]
    public void What_is_compared_is_tuned_alike()
    {
        SlaConfig sla = Load<SlaConfig>("sla") with { Scores = null }, ofTeacher = Load<SlaConfig>("sla-teacher"),
            smaller = Load<SlaConfig>("sla-64");
        Assert.Equal(sla with { Output = ofTeacher.Output, Teacher = Load<RcmConfig>("rcm").Teacher }, ofTeacher);
        Assert.Equal(sla with { Output = smaller.Output, KeyBlock = 64 }, smaller);
        Assert.Equal(3, new[] { sla.Output, ofTeacher.Output, smaller.Output }.Distinct().Count());
    }

    private static T Load<T>(string name)
        where T : RunConfig => RunConfig.Load<T>(Path.Combine(Repository.Root, "samples", "ShapesModel", $"{name}.json"));
}
