#!/usr/bin/env bash
# Packs the command line as a .NET tool, installs it from nothing but the packed file, and makes a video with it.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

version=0.1.$(date +%s)
dotnet pack "$root/src/TurboDiffusion.Cli" -v quiet --nologo -p:Version="$version" -o "$work/feed"
package=$work/feed/TurboDiffusion.Cli.linux-x64.$version.nupkg
ls -l "$package"
[ "$(stat -c %s "$package")" -lt 250000000 ]
! unzip -Z1 "$package" | grep -E '\.pdb$|libtorch_python'

echo "<configuration><packageSources><clear /><add key=\"packed\" value=\"$work/feed\" /></packageSources></configuration>" >"$work/nuget.config"
export NUGET_PACKAGES=$work/packages
dotnet tool install TurboDiffusion.Cli --tool-path "$work/tool" --configfile "$work/nuget.config" --version "$version"
"$work/tool/turbodiffusion" generate "a red circle bounces across a night sky" --size 64x48 --frames 9 --device cpu -o "$work/video.mp4"
[ -s "$work/video.mp4" ]
