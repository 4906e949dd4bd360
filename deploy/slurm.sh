#!/bin/bash
# A Ray cluster for as long as a Slurm allocation lasts, and one run on it. Lines to change: CHANGE.
# docs/cluster.md, "Slurm", says what each is for.
#   sbatch deploy/slurm.sh experiment=carracing_ppo_sweep
#   sbatch deploy/slurm.sh resume=latest
#SBATCH --job-name=chicane
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --mem=0                            # all of each node's: --exclusive does not mean memory
#SBATCH --time=12:00:00
#SBATCH --signal=B:TERM@300
#SBATCH --output=chicane-%j.log
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?start this with sbatch, in the folder that holds run.py}"
outputs=${CHICANE_OUTPUTS:-$PWD/outputs}   # CHANGE: a folder that all nodes see
mlflow=${CHICANE_MLFLOW:-}                 # CHANGE: http://HOST:5000; empty: a file below outputs
export PATH="$PWD/.venv/bin:$PATH"         # on a shared folder too
export OMP_NUM_THREADS=1 RAY_USAGE_STATS_ENABLED=0 MLFLOW_DISABLE_TELEMETRY=true
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$outputs/.ray_token_$SLURM_JOB_ID"
export RAY_JOB_STOP_WAIT_TIME_S=180        # a run that is told to stop saves first
export SRUN_CPUS_PER_TASK=${SLURM_CPUS_PER_TASK:?}   # srun does not ask for them by itself since 22.05
unset RAY_ADDRESS RAY_AUTH_TOKEN

# Several jobs may share a node where --exclusive is refused: ports follow the job's number.
port=$((20000 + SLURM_JOB_ID % 10000))
dashboard_port=$((30000 + SLURM_JOB_ID % 10000))
agent_port=$((40000 + SLURM_JOB_ID % 10000))
client_port=$((50000 + SLURM_JOB_ID % 10000))
mkdir -p "$outputs"
(umask 077 && python -c 'import secrets; print(secrets.token_hex(32))' > "$RAY_AUTH_TOKEN_PATH")

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head=${nodes[0]}
head_ip=$(srun --nodes=1 --ntasks=1 --nodelist="$head" hostname --ip-address | tr ' ' '\n' | grep -m1 '\.')
export RAY_API_SERVER_ADDRESS="http://$head_ip:$dashboard_port"
export no_proxy="${no_proxy:-${NO_PROXY:-}},$head_ip"   # a site's proxy does not know the head
job=slurm_$SLURM_JOB_ID
common=(--temp-dir="/tmp/ray_$SLURM_JOB_ID" --dashboard-agent-listen-port="$agent_port")
common+=(--disable-usage-stats --block)

clean_up() {
  jobs -p | xargs --no-run-if-empty kill 2> /dev/null || true
  rm -f "$RAY_AUTH_TOKEN_PATH"
}
trap clean_up EXIT
# Five minutes before the allocation ends (--signal above), and on scancel --signal=TERM --batch: save, then end.
stopped=
stop() {
  stopped=yes
  until ray job stop "$job"; do # it may not be known yet
    kill -0 "$submission" 2> /dev/null || break
    sleep 1
  done
}

srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
  ray start --head --node-ip-address="$head_ip" --port="$port" --num-cpus=$((SLURM_CPUS_PER_TASK - 1)) \
  --dashboard-host="$head_ip" --dashboard-port="$dashboard_port" --ray-client-server-port="$client_port" \
  "${common[@]}" &

for attempt in $(seq 60); do
  if ray job list > /dev/null 2>&1; then break; fi
  if [ "$attempt" = 60 ]; then echo "The head on $head did not start within two minutes." >&2; exit 1; fi
  sleep 1
done

if [ "${#nodes[@]}" -gt 1 ]; then
  srun --nodes=$((${#nodes[@]} - 1)) --ntasks=$((${#nodes[@]} - 1)) --exclude="$head" \
    ray start --address="$head_ip:$port" --num-cpus="$SLURM_CPUS_PER_TASK" "${common[@]}" &
fi

# A run plans with the cores that it finds: wait for all nodes, some minutes at most. Those that come later get work too.
for attempt in $(seq 60); do
  joined=$(ray status --address="$head_ip:$port" 2> /dev/null | grep -c '^ 1 node_' || true)
  if [ "$joined" -ge "${#nodes[@]}" ]; then break; fi
  sleep 1
done

# In the background, or bash would not hear the signal.
ray job submit --submission-id "$job" --working-dir . -- \
  python run.py ray=cluster paths.outputs="$outputs" ${mlflow:+paths.mlflow_uri="$mlflow"} "$@" &
submission=$!
trap stop TERM
code=0
wait "$submission" || code=$?
if [ -n "$stopped" ]; then # the trap interrupted the waiting; bash remembers how the submission ended
  code=0
  wait "$submission" || code=$?
fi
exit "$code"
