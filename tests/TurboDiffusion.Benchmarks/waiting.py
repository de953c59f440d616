#!/usr/bin/env python3
"""How OpenMP's threads wait: whole generations on two cores, idle and with two busy processes on the same cores.

    waiting.py [--rounds 12] [--lanes 1] [--json FILE] -- turbodiffusion generate "a prompt" --device cpu --seed 1 ...

The command is a `generate`; this script adds an output folder, --overwrite and --json, and reads "seconds", which begin after the start
of the process. In a round, every form runs once, one after the other on the same cores, and each round begins with another form. A lane is
a pair of cores of its own: several of them share the rounds, on a machine that has the cores. What libgomp itself reports of its policy is
printed with each form (OMP_DISPLAY_ENV).
"""

import argparse
import json
import math
import os
import re
import statistics
import subprocess
import sys
import tempfile
import threading

# The variables that a user may set; with none of them the product chooses.
VARIABLES = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME", "KMP_LIBRARY", "OMP_NUM_THREADS")
FORMS = {
    "product": {},
    "passive": {"OMP_WAIT_POLICY": "passive"},
    "spins 1000": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "1000"},
    "spins 10000": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "10000"},
    "spins 100000": {"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "100000"},
    "libgomp's own": {"GOMP_SPINCOUNT": "300000"},  # what libgomp does where nobody says anything
    "active": {"OMP_WAIT_POLICY": "active"},
}
BURN = "while True: pass"


def cores():
    """One logical processor of each physical core that this process may use."""
    first = {}
    for cpu in sorted(os.sched_getaffinity(0)):
        try:
            with open(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list") as file:
                siblings = file.read().strip()
        except OSError:
            siblings = str(cpu)
        first.setdefault(siblings, cpu)
    return list(first.values())


def run(command, form, pair, folder, limit):
    """Seconds of one generation, infinite past the limit, and the policy that libgomp reports."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    environment.update(FORMS[form], OMP_DISPLAY_ENV="verbose")
    try:
        result = subprocess.run(
            [*command, "--output", folder + "/frames/", "--overwrite", "--json"], env=environment, text=True, capture_output=True,
            timeout=limit, preexec_fn=lambda: os.sched_setaffinity(0, pair))
    except subprocess.TimeoutExpired:
        return math.inf, None
    if result.returncode != 0:
        sys.exit(f"{form}: exit code {result.returncode}\n{result.stderr[-2000:]}")
    reported = {name: re.search(rf"{name} = '([^']*)'", result.stderr) for name in VARIABLES}
    policy = ", ".join(f"{name}={match[1]}" for name, match in reported.items() if match)
    return json.loads(result.stdout[result.stdout.index("{"):])["seconds"], policy or "(no libgomp reported)"


def lane(number, pair, rounds, command, forms, busy_forms, limit, rows, policies, lock):
    with tempfile.TemporaryDirectory() as folder:
        run(command, forms[0], pair, folder, None)  # files into the page cache
        for turn in rounds:
            order = forms[turn % len(forms):] + forms[:turn % len(forms)]
            for condition in ("idle", "busy"):
                burners = []
                try:
                    if condition == "busy":
                        burners = [subprocess.Popen([sys.executable, "-c", BURN], preexec_fn=lambda: os.sched_setaffinity(0, pair))
                                   for _ in pair]
                    for form in order:
                        if condition == "busy" and form not in busy_forms:
                            continue
                        seconds, policy = run(command, form, pair, folder, limit)
                        with lock:
                            rows.append({"lane": number, "round": turn, "condition": condition, "form": form, "seconds": seconds})
                            policies[form] = policy or policies.get(form)
                            print(f"lane {number} round {turn} {condition} {form}: {seconds:.2f} s", file=sys.stderr, flush=True)
                finally:
                    for burner in burners:
                        burner.kill()
                        burner.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--lanes", type=int, default=1)
    parser.add_argument("--forms", default=",".join(FORMS), help="of: " + ", ".join(FORMS))
    parser.add_argument("--busy", default=",".join(form for form in FORMS if form not in ("libgomp's own", "active")),
                        help="the forms that run busy too; those that only spin take minutes there")
    parser.add_argument("--limit", type=float, default=60, help="seconds after which a run is ended and counts as infinite")
    parser.add_argument("--against", default="libgomp's own", help="the form that ratios are of")
    parser.add_argument("--json")
    parser.add_argument("command", nargs=argparse.REMAINDER)
    arguments = parser.parse_args()
    command = arguments.command[1:] if arguments.command[:1] == ["--"] else arguments.command
    forms, free = arguments.forms.split(","), cores()
    if unknown := [form for form in [*forms, arguments.against] if form not in FORMS]:
        parser.error(f"unknown form {unknown[0]}; known: {', '.join(FORMS)}")
    if len(free) < 2 * arguments.lanes:
        parser.error(f"{arguments.lanes} lanes need {2 * arguments.lanes} cores; this process may use {len(free)}")
    # Lanes lie as far from one another as the machine lets them.
    step = len(free) // arguments.lanes
    pairs = [free[i * step:i * step + 2] for i in range(arguments.lanes)]
    print(f"{len(free)} cores, lanes on {pairs}", file=sys.stderr, flush=True)
    rows, policies, lock = [], {}, threading.Lock()
    threads = [threading.Thread(target=lane, args=(i, pair, range(i, arguments.rounds, arguments.lanes), command, forms,
                                                   arguments.busy.split(","), arguments.limit, rows, policies, lock))
               for i, pair in enumerate(pairs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if arguments.json:
        with open(arguments.json, "w") as file:
            json.dump({"policies": policies, "runs": rows}, file, indent=1)

    times = {(row["round"], row["condition"], row["form"]): row["seconds"] for row in rows}

    def median(values):
        return statistics.median(values) if values else float("nan")

    def ratios(condition, form, to_condition, to_form):
        """The median over the rounds of one run to another of the same round, so of the same cores."""
        return median([times[turn, condition, form] / times[turn, to_condition, to_form] for turn in range(arguments.rounds)
                       if (turn, condition, form) in times and (turn, to_condition, to_form) in times])

    print(f"| form | idle, s | busy, s | idle to idle of {arguments.against} | busy to its idle | libgomp reports |\n|---|--:|--:|--:|--:|---|")
    for form in forms:
        idle, busy = ([row["seconds"] for row in rows if (row["condition"], row["form"]) == (c, form)] for c in ("idle", "busy"))
        print(f"| {form} | {median(idle):.2f} ({min(idle, default=0):.2f}-{max(idle, default=0):.2f}, {len(idle)}) "
              f"| {median(busy):.2f} ({min(busy, default=0):.2f}-{max(busy, default=0):.2f}, {len(busy)}) "
              f"| {ratios('idle', form, 'idle', arguments.against):.3f} | {ratios('busy', form, 'idle', form):.2f} | {policies.get(form)} |")


if __name__ == "__main__":
    main()
