using Microsoft.Agents.AI;
using SemanticKernelAgent;
using TurboDiffusion.Extensions.AI;

// An agent of Microsoft Agent Framework that films what it is asked for. The chat model is a scripted one; put any IChatClient
// in its place.
//   dotnet run --project samples/AgentFramework
//   dotnet run --project samples/AgentFramework -- "a green square rotates on a white background"

// <agent>
using var generator = new TurboDiffusionVideoGenerator();
var functions = new VideoGenerationFunctions(generator, new VideoGenerationFunctionOptions
{
    Defaults = new VideoGenerationOptions { VideoSize = new(96, 64), Duration = TimeSpan.FromSeconds(0.3) },
});
var agent = new ChatClientAgent(
    new ScriptedChatModel(), instructions: "You film what the user describes.", tools: [.. functions.AsAIFunctions()]);
var answer = await agent.RunAsync(args.FirstOrDefault() ?? "a red circle bounces across a night sky");
Console.WriteLine(answer.Text);
// </agent>
