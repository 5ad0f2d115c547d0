"""Trainings in one and in several processes, forked from this one, which itself never trains: what `torchrun` would
tell them they are told here. Writes what was seen, as JSON; `test_scale_together.py` judges it.

    python tests/worlds.py FOLDER [RECIPE ...]"""
import json, os, socket, sys
from pathlib import Path
import numpy as np
import torch, torch._dynamo   # what the first optimiser would load, once for all
from trainings import RECIPES, make_folders, stop_after, weights
from weakse.core.terminal import logger

def free_port():
    with socket.socket() as s:
        s.bind(('127.0.0.1', 0))
        return s.getsockname()[1]

def forked(f, said, **env):
    "A call in a process of its own, with more in its environment: its number. What it says of an error is kept."
    pid = os.fork()
    if pid: return pid
    code = 3
    os.dup2(os.open(said, os.O_WRONLY|os.O_CREAT|os.O_TRUNC), 2)
    os.environ.update({k: str(v) for k,v in env.items()})
    try:
        f()
        code = 0
    except BaseException as e:
        os.write(2, f'{type(e).__name__}: {e}'.encode())
    finally:
        os._exit(code)

def world(n, f, said):
    "`f` in `n` processes that find each other: their exit codes, and what they said."
    env = dict(WORLD_SIZE=n, LOCAL_WORLD_SIZE=n, MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port())
    many = [dict(env, RANK=i, LOCAL_RANK=i) for i in range(n)] if n > 1 else [{}]
    pids = [forked(f, f'{said}{i}', **e) for i,e in enumerate(many)]
    codes = [os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) for p in pids]
    return dict(codes=codes, said=[Path(f'{said}{i}').read_text()[-600:] for i in range(len(many))])

def far(a, b):
    "How far two systems' weights are from each other."
    return float(np.sqrt(sum(((a[k].astype(float) - b[k])**2).sum() for k in a if a[k].dtype.kind=='f')))

def compared(folder, name):
    "Runs of a recipe for four steps, each in a number of processes, and their distances from that of one process."
    def run(out, n, steps=4, stop=None):
        def f():
            if stop and os.environ.get('RANK')=='1': stop_after(stop)
            RECIPES[name](folder, folder/out/name, steps=steps)
        return world(n, f, folder/f'{out}_{name}.txt')
    runs = dict(one=run('one', 1), two=run('two', 2), four=run('four', 4), start=run('start', 1, steps=1))
    if name!='segan':   # its step is another one
        runs |= dict(half=run('half', 2, stop=2))
        runs |= dict(then=run('half', 1))
    made = {out: weights(folder/out/name) for out in ('one','two','four','start','half') if (folder/out/name).exists()}
    way = far(made['one'], made['start'])
    return dict(runs=runs, distance={out: far(w, made['one'])/way for out,w in made.items()},
                names={out: w.keys()==made['one'].keys() for out,w in made.items()})

if __name__=='__main__':
    folder,names = make_folders(sys.argv[1]),sys.argv[2:] or list(RECIPES)
    logger.setLevel('ERROR')
    torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], fused=True)
    found = {}
    for name in names:
        found[name] = compared(folder, name)
        (folder/'found.json').write_text(json.dumps(found, indent=1))
