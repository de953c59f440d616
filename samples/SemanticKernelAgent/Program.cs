using System.ClientModel;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.SemanticKernel;
using OpenAI;
using SemanticKernelAgent;

// An agent that decides by itself to generate a video.
//   dotnet run --project samples/SemanticKernelAgent                    a scripted chat model on this machine
//   OPENAI_BASE_URL=http://localhost:11434/v1 OPENAI_MODEL=qwen3 dotnet run --project samples/SemanticKernelAgent
var wish = args.FirstOrDefault() ?? "Please film a red circle that bounces across a night sky.";

// <kernel>
var builder = Kernel.CreateBuilder();
builder.Services.AddSingleton(ChatModel().AsBuilder().UseKernelFunctionInvocation().Build());
builder.AddTurboDiffusionVideoGenerator(options => options.Model = Environment.GetEnvironmentVariable("TURBODIFFUSION_MODEL"));
builder.Plugins.AddVideoGeneration();
var kernel = builder.Build();

var answer = await kernel.InvokePromptAsync(
    wish,
    new(new PromptExecutionSettings { FunctionChoiceBehavior = FunctionChoiceBehavior.Auto() }));
Console.WriteLine(answer);
// </kernel>

static IChatClient ChatModel()
{
    if (Environment.GetEnvironmentVariable("OPENAI_BASE_URL") is not { Length: > 0 } endpoint)
        return new ScriptedChatModel();

    var key = Environment.GetEnvironmentVariable("OPENAI_API_KEY") ?? "none";
    var model = Environment.GetEnvironmentVariable("OPENAI_MODEL") ?? "gpt-4o-mini";
    return new OpenAIClient(new ApiKeyCredential(key), new OpenAIClientOptions { Endpoint = new Uri(endpoint) })
        .GetChatClient(model).AsIChatClient();
}
