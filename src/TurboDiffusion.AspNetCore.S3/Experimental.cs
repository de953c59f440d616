using System.Diagnostics.CodeAnalysis;

// Built on IVideoGenerator, which may still change.
[assembly: Experimental("TDIFF001")]
