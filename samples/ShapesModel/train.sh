#!/usr/bin/env bash
# Trains the shapes model from nothing: VAE, teacher, SLA tuning, rCM, merge, int8. Every stage continues where it was stopped.
#   train.sh WORK [STAGE ...]     WORK: a folder for data, runs and the models; stages: all, by default
# Wants one NVIDIA GPU. TURBODIFFUSION names the command, by default the one of this repository.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1; shift
stages=${*:-vae world teacher distil assemble}
mkdir -p "$work"
cd "$work"
turbodiffusion() { ${TURBODIFFUSION:-dotnet run -c Release --project "$here/../../src/TurboDiffusion.Cli" --} "$@"; }

for stage in $stages; do
  echo "== $stage $(date +%T)"
  case $stage in
    vae)
      turbodiffusion train vae --config "$here/vae-1.json"
      turbodiffusion train vae --config "$here/vae-2.json" ;;
    world)
      turbodiffusion world data --vae runs/vae-2/model.safetensors --clips 12000 --captions 8 --frames 17
      turbodiffusion world data-small --vae data/vae.safetensors --clips 24000 --captions 8 --frames 17 --size 112x64 ;;
    teacher)
      # The decoder learns more beside it, on what is left of the GPU.
      turbodiffusion train vae --config "$here/vae-3.json" & vae=$!
      turbodiffusion train teacher --config "$here/teacher-1.json"
      turbodiffusion train teacher --config "$here/teacher-2.json"
      wait "$vae" ;;
    distil)
      # Neither needs the other, and neither fills a GPU.
      turbodiffusion train sla --config "$here/sla.json" & sla=$!
      turbodiffusion train rcm --config "$here/rcm.json"
      wait "$sla" ;;
    assemble)
      mkdir -p shapes
      turbodiffusion merge runs/rcm/model.safetensors runs/sla/model.safetensors runs/teacher/model.safetensors runs/turbo.safetensors --overwrite
      turbodiffusion convert runs/turbo.safetensors runs/turbo-bf16.safetensors --dtype bfloat16 --overwrite
      turbodiffusion quantize runs/turbo-bf16.safetensors shapes/transformer.safetensors --overwrite
      for file in vae-3/model=vae teacher-1/text_encoder=text_encoder; do
        turbodiffusion convert "runs/${file%=*}.safetensors" "shapes/${file#*=}.safetensors" --dtype bfloat16 --overwrite
      done
      cp data/spiece.model shapes/
      cp "$here/model.json" shapes/ ;;
    *) echo "unknown stage $stage" >&2; exit 2 ;;
  esac
done
