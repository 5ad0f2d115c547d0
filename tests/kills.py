"""Trainings that are killed: each in a process forked from this one, which itself never trains (PyTorch's backward
pass cannot be used on both sides of a fork). Writes what was seen, as JSON; `test_killed.py` judges it."""
import json, os, random, resource, shutil, signal, sys, time
from pathlib import Path
import torch, torch._dynamo   # what the first optimiser would load, once for all
from trainings import bits, make_folders, weak, write_params
from weakse.cli.main import main
from weakse.core.terminal import logger
from weakse.models import registry
from weakse.training import checkpoints

folder,N = make_folders(sys.argv[1]),int(sys.argv[2])
torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], fused=True)
logger.setLevel('ERROR')
rng = random.Random(0)

def train(out, steps=20, **more):
    return weak(folder, folder/out, steps=steps, checkpoint_every=3, **more)

def forked(f, *args, **kwargs):
    "A call in a process of its own: its number. What it says of an error is kept beside."
    pid = os.fork()
    if pid: return pid
    code = 3
    os.dup2(os.open(folder/'said.txt', os.O_WRONLY|os.O_CREAT|os.O_TRUNC), 2)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        f(*args, **kwargs)
        code = 0
    except SystemExit as e:
        code = e.code or 0
    except BaseException as e:
        os.write(2, f'{type(e).__name__}: {e}'.encode())
    finally:
        os._exit(code)

def ended(pid):
    "The exit code, or minus the signal."
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def said():
    return (folder/'said.txt').read_text()

def left(out):
    "What lies beside a system and is not it, with what is in it."
    beside = [p for p in folder.iterdir() if p.name.startswith(out) and p.name!=out]
    return sorted(str(p.relative_to(folder)) for b in beside for p in [b, *b.rglob('*')])

def steps_saved(out):
    return [int(p.stem[5:]) for p in sorted((folder/f'{out}.checkpoints').glob('step_*.pt'))]

def until_the_end(out, **more):
    "Run the same again: its code, its bits, and what lies beside it."
    code = ended(forked(train, out, **more))
    return dict(code=code, bits=code==0 and bits(folder/out), left=left(out))

def at_any_moment():
    "Killed again and again, from its first line to its last; where it ends before, it begins anew."
    start = time.perf_counter()
    code,seen = ended(forked(train, 'calm')),[]
    took,kills,through = time.perf_counter() - start,0,0
    while kills < N:
        pid = forked(train, 'killed')
        time.sleep(rng.random()*took*.6)
        os.kill(pid, signal.SIGKILL)
        if ended(pid)==-signal.SIGKILL:
            kills += 1
            seen.append(steps_saved('killed')[-1:])
        elif bits(folder/'killed')==bits(folder/'calm'):
            through += 1
            shutil.rmtree(folder/'killed')
    return dict(calm=code, kills=kills, seen=seen, through=through, **until_the_end('killed'))

def half_written(after):
    "Killed when half of a checkpoint has been written, the `after`th of the run."
    write,n = checkpoints._write_state,[0]
    def half(state, path):
        write(state, path)
        n[0] += 1
        if n[0]==after:
            os.truncate(path, os.path.getsize(path)//2)
            os.kill(os.getpid(), signal.SIGKILL)
    def run():
        checkpoints._write_state = half
        train(f'half{after}')
    out = f'half{after}'
    code = ended(forked(run))
    return dict(code=code, saved=steps_saved(out)) | {'then': until_the_end(out)}

def half_a_system():
    "Killed when half of the finished weights have been written."
    def half(path, data):
        with open(path, 'wb') as f:
            f.write(data[:len(data)//2])
        os.kill(os.getpid(), signal.SIGKILL)
    def run():
        registry.Path.write_bytes = half
        train('system')
    code = ended(forked(run))
    there = [p.name for p in (folder/'system').glob('[!.]*')]
    return dict(code=code, there=there, saved=steps_saved('system'), then=until_the_end('system'))

def full_disk():
    "No file may become larger than a checkpoint is, after the second."
    def run():
        write,n = checkpoints._write_state,[0]
        def small(state, path):
            n[0] += 1
            if n[0] > 2: resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, resource.RLIM_INFINITY))
            write(state, path)
        checkpoints._write_state = small
        train('full')
    return dict(code=ended(forked(run)), said=said(), saved=steps_saved('full'), then=until_the_end('full'))

def asked(number):
    "The command is asked to end at a step by a signal, or by none (0), and says where it has saved."
    out = f'asked{int(number)}'
    def run(stop):
        from weakse.training.tasks import WeakTask
        made = WeakTask.step
        def then(self, batch):
            logs = made(self, batch)
            if stop and self.n==7: os.kill(os.getpid(), number)
            return logs
        WeakTask.step = then
        signal.signal(signal.SIGINT, signal.default_int_handler)   # a shell's background has none
        sys.argv = ['weakse', 'train', *map(str, (folder/'anchors', folder/'mined', folder/out)),
                    '--params', str(write_params(folder/'p.yaml'))]
        main()
    code = ended(forked(run, bool(number)))
    found = dict(code=code, said=said(), saved=steps_saved(out))
    return found | {'then': ended(forked(run, False)), 'bits': bits(folder/out)}

def not_finite():
    "A loss that breaks at its eighth step."
    def run():
        from weakse.training.tasks import WeakTask
        made = WeakTask.losses
        WeakTask.losses = lambda self, batch: {k: v*(1 if self.n!=7 else float('nan')) for k,v in made(self, batch).items()}
        train('sick')
    return dict(code=ended(forked(run)), said=said(), kept=sorted(p.name for p in (folder/'sick.not_finite').glob('*')))

found = dict(any=at_any_moment(), system=half_a_system(), full=full_disk(), sick=not_finite())
found |= {f'half{n}': half_written(n) for n in (1, 3)}
found |= {f'asked{int(s)}': asked(s) for s in (0, signal.SIGINT, signal.SIGTERM)}
(folder/'found.json').write_text(json.dumps(found | {'calm_bits': bits(folder/'calm')}, indent=1))
