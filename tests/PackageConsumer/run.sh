#!/usr/bin/env bash
# Packs every package and tries them outside the repository: programs that have nothing but the packed files.
#
# Sources: every NuGet configuration of the machine is cleared. Packages named TurboDiffusion* come from the packed folder alone, all others from
# the sources that the machine has configured, without which there would be no TorchSharp.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
root=$(cd ../.. && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# A version of its own, so that no copy of an earlier run is taken from NuGet's cache; and no pre-release, so that the README's lines find it.
version=0.1.$(date +%s)
url=https://repository.example/turbodiffusion
rm -rf "$root/artifacts/packages"
dotnet pack "$root/TurboDiffusion.Extensions.sln" -v quiet --nologo -p:Version="$version" -p:RepositoryUrl="$url" -p:ContinuousIntegrationBuild=true
for package in "$root"/artifacts/packages/*.nupkg; do
  fail() { echo "$(basename "$package") $1" >&2; exit 1; }
  entries=$(unzip -Z1 "$package") nuspec=$(unzip -p "$package" '*.nuspec') name=$(basename "$package" ".$version.nupkg")
  for entry in README.md icon.png; do grep -qx "$entry" <<<"$entries" || fail "has no $entry"; done
  unzip -p "$package" README.md | head -n 1 | grep -qx "# $name" || fail "has the README of something else"
  for element in '<license type="expression">Apache-2.0</license>' "<projectUrl>$url</projectUrl>" "<repository type=\"git\" url=\"$url\"" '<copyright>' '<title>' '<releaseNotes>' '<tags>'; do
    grep -qF "$element" <<<"$nuspec" || fail "has no $element"
  done
  # A package of files alone has none.
  grep -q '^\(lib\|tools\)/.*dll$' <<<"$entries" || continue
  [ -f "${package%.nupkg}.snupkg" ] || fail "has no symbols"
  mkdir -p "$work/symbols"
  unzip -qo "${package%.nupkg}.snupkg" -d "$work/symbols/$name"
  ! grep -rqaF "$root" "$work/symbols/$name" || fail "tells the paths of the machine that built it"
done

# The machine's own sources, for what is not packed here.
{
  echo '<configuration><packageSources><clear />'
  echo "<add key=\"packed\" value=\"$root/artifacts/packages\" />"
  dotnet nuget list source --format Short | sed -n 's/^E \(.*\)$/\1/p' | awk '{ printf "<add key=\"machine%d\" value=\"%s\" />\n", NR, $1 }'
  echo '</packageSources><packageSourceMapping><packageSource key="packed"><package pattern="TurboDiffusion" /><package pattern="TurboDiffusion.*" /></packageSource>'
  dotnet nuget list source --format Short | sed -n 's/^E \(.*\)$/\1/p' | awk '{ printf "<packageSource key=\"machine%d\"><package pattern=\"*\" /></packageSource>\n", NR }'
  echo '</packageSourceMapping></configuration>'
} >"$work/nuget.config"

echo "== The README's lines and its program"
block() { awk -v fence="\`\`\`$1" -v wanted="$2" '$0 == fence { inside = 1; text = ""; next } inside && /^```$/ { inside = 0; if (index(text, wanted)) { printf "%s", text; exit } } inside { text = text $0 "\n" }' "$root/README.md"; }
(
  cd "$work"
  eval "$(block sh 'dotnet new console')"
  block csharp 'new TurboDiffusionVideoGenerator()' >Program.cs
  [ -s Program.cs ]
  dotnet run | tee output
  [ -s circle.mp4 ]
  grep -q '^[0-9]* %, denoising$' output
)

echo "== A program without libtorch"
mkdir "$work/without"
(
  cd "$work/without"
  dotnet new console >/dev/null
  dotnet add package TurboDiffusion.Extensions.AI >/dev/null
  cat >Program.cs <<'PROGRAM'
#pragma warning disable TDIFF001
using TurboDiffusion.Extensions.AI;

using var generator = new TurboDiffusionVideoGenerator();
try
{
    await generator.GenerateVideoAsync("a cat");
}
catch (TurboDiffusion.EnvironmentException e)
{
    Console.WriteLine($"{e.Dependency}: {e.Message}");
}
PROGRAM
  dotnet build -v quiet --nologo >build.log || { cat build.log; exit 1; }
  grep -q 'warning TDIFF002: .*libtorch-cpu-linux-x64' build.log || { cat build.log; exit 1; }
  env -u TURBODIFFUSION_LIBTORCH dotnet run --no-build | tee output
  grep -q '^libtorch: .*dotnet add package libtorch-cpu-linux-x64' output
  # TorchSharp, left to itself, copies what it finds in the package cache.
  [ -z "$(find bin -name 'libtorch*.so' -print -quit)" ] || { echo "libtorch was copied" >&2; exit 1; }
)

echo "== The three integrations"
cp PackageConsumer.csproj Program.cs "$work/"
mkdir "$work/consumer"
mv "$work/PackageConsumer.csproj" "$work/Program.cs" "$work/consumer/"
(cd "$work/consumer" && dotnet run -p:TurboDiffusionVersion="$version")
