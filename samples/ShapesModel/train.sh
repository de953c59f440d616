#!/usr/bin/env bash
# Trains the shapes model from nothing: VAE, teacher, student (guided, then rCM), SLA tuning, merging, int8.
# Every stage continues where it was stopped.
#   train.sh WORK [STAGE ...]     WORK: a folder for data, runs and the models; stages: all, by default
# Wants one NVIDIA GPU. TURBODIFFUSION names the command, by default the one of this repository.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
work=$1; shift
stages=${*:-vae world teacher distil merge assemble}
mkdir -p "$work"
cd "$work"
turbodiffusion() { ${TURBODIFFUSION:-dotnet run -c Release --project "$here/../../src/TurboDiffusion.Cli" --} "$@"; }
# take_back SHARE NAME: the tuned student, without a share of what distribution matching moved, as runs/NAME.safetensors.
take_back() {
  turbodiffusion merge runs/sla/model.safetensors runs/guided/model.safetensors runs/rcm/best.safetensors "runs/$2-float32.safetensors" \
    --weight "$1" --overwrite
  turbodiffusion convert "runs/$2-float32.safetensors" "runs/$2.safetensors" --dtype bfloat16 --overwrite
}

for stage in $stages; do
  echo "== $stage $(date +%T)"
  case $stage in
    vae)
      turbodiffusion train vae --config "$here/vae-1.json"
      turbodiffusion train vae --config "$here/vae-2.json"
      turbodiffusion train vae --config "$here/vae-3.json"
      turbodiffusion train vae --config "$here/vae-4.json"
      turbodiffusion train vae --config "$here/vae-5.json" ;;
    world)
      turbodiffusion world data-small --vae runs/vae-5/model.safetensors --clips 24000 --captions 8 --frames 33 --size 112x64
      turbodiffusion world data --vae runs/vae-5/model.safetensors --clips 14000 --captions 8 --frames 33 --seed 400000 ;;
    teacher)
      turbodiffusion train teacher --config "$here/teacher-1.json"
      turbodiffusion train teacher --config "$here/teacher-2.json"
      turbodiffusion train teacher --config "$here/teacher-3.json" ;;
    # In place of teacher, where only the VAE is new: an earlier teacher (runs/teacher-before) learns its latents.
    adapt)
      turbodiffusion train teacher --config "$here/teacher-4.json" ;;
    distil)
      turbodiffusion train rcm --config "$here/guided.json"
      turbodiffusion train rcm --config "$here/rcm.json"
      turbodiffusion train sla --config "$here/sla.json" ;;
    # Half of what distribution matching moved: nearer to real clips in four steps, less right in two (docs/quality.md).
    merge)
      take_back 0.5 turbo ;;
    assemble)
      mkdir -p shapes
      turbodiffusion quantize runs/turbo.safetensors shapes/transformer.safetensors --overwrite
      turbodiffusion convert runs/vae-5/model.safetensors shapes/vae.safetensors --dtype bfloat16 --overwrite
      turbodiffusion convert runs/teacher-1/text_encoder.safetensors shapes/text_encoder.safetensors --dtype bfloat16 --overwrite
      cp data/spiece.model shapes/
      cp "$here/model.json" shapes/ ;;
    # Not needed for the model: the rows of docs/quality.md, with other shares, with the student alone, with the paper's merge of two
    # separate updates, and with blocks of 64.
    quality)
      turbodiffusion train sla --config "$here/sla-teacher.json"
      turbodiffusion train sla --config "$here/sla-64.json"
      turbodiffusion merge runs/rcm/best.safetensors runs/sla-teacher/model.safetensors runs/teacher/model.safetensors \
        runs/merged.safetensors --overwrite
      for share in 20 25 30 40; do take_back 0.$share "turbo-$share"; done
      turbodiffusion merge runs/rcm/best.safetensors runs/guided/model.safetensors runs/rcm/best.safetensors runs/halfway.safetensors \
        --weight 0.5 --overwrite
      mkdir -p shapes-64
      cp shapes/* shapes-64/
      sed 's/"topKRatio"/"attentionBlock": 64, "topKRatio"/' shapes/model.json > shapes-64/model.json
      cp "$here/quality.json" "$here/quality-64.json" .
      turbodiffusion evaluate --plan quality.json --output scores.json --table scores.md
      turbodiffusion evaluate --plan quality-64.json --output scores-64.json --table scores-64.md ;;
    *) echo "unknown stage $stage" >&2; exit 2 ;;
  esac
done
