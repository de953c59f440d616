using System.Diagnostics.CodeAnalysis;

// Built on IVideoGenerator, which may still change.
[assembly: Experimental(
    "TDIFF001",
    Message = "The types of this package may still change. To use them, put <NoWarn>$(NoWarn);TDIFF001</NoWarn> into the project file.")]
