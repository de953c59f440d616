using System.ComponentModel.DataAnnotations;

namespace TurboDiffusion.Extensions.AI;

/// <summary>The aspect ratios of a tool's parameter, which its schema lists as an enum, so that a model asks for no other.</summary>
[AttributeUsage(AttributeTargets.Parameter)]
internal sealed class AspectRatiosAttribute() : AllowedValuesAttribute("16:9", "9:16", "1:1", "4:3", "3:4");
