"""Hostile inputs drawn from a seed: `make fuzz SEED=0 N=2000`, one of them again by `make fuzz SEED=0 CASE=123`.

Every case has a folder of its own with somebody's files in it, which are compared by hash afterwards. Most cases run in one process, some forty
in a row, the rest through the command; where a process dies, the case that killed it is known and the next one goes on in a new process.
"""
import os
os.environ.setdefault('OMP_NUM_THREADS', '1')
import argparse, contextlib, hashlib, json, resource, shutil, signal, sys, tempfile, time, traceback, warnings
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
import numpy as np, soundfile as sf

sys.path.insert(0, str(Path(__file__).parent))
from fuzz_cases import FAMILIES, OF_COMMAND, family_of

EXPLAINED = ValueError, OSError, ImportError, FloatingPointError   # what the command turns into one line
COUNTED = dict(traceback='tracebacks', crash='crashes', hung='crashes', nonfinite='non-finite outputs', foreign='foreign files touched')
ROOM = 6 << 30   # bytes that a case may allocate beyond what is loaded

def hashes(folder):
    "What lies in a folder: path -> hash, or where a link points."
    found = {}
    for at,folders,files in os.walk(folder):
        for name in [*files, *folders]:
            p = os.path.join(at, name)
            if os.path.islink(p): found[p] = os.readlink(p)
            elif os.path.isdir(p): found[p] = 'folder'
            else: found[p] = hashlib.sha256(Path(p).read_bytes()).hexdigest()
    return found

@dataclass
class Case:
    "One drawn input: its random numbers, its folder, and what was found."
    seed:int
    number:int
    kit:dict
    home:Path
    findings:list = field(default_factory=list)
    notes:list = field(default_factory=list)

    def __post_init__(self):
        self.rng = np.random.default_rng([self.seed, self.number])
        self.family = family_of(self.rng)
        for name in ('in', 'out', 'canary/deep'): (self.home/name).mkdir(parents=True)
        (self.home/'canary'/'README.md').write_text('mine\n')
        (self.home/'canary'/'deep'/'params.yaml').write_text('lr: 3\n')
        sf.write(self.home/'canary'/'mine.wav', np.zeros(99), 16000)
        self.remember()

    def remember(self): self.before = hashes(self.home)
    def system(self): return self.kit['systems'][list(self.kit['systems'])[int(self.rng.integers(len(self.kit['systems'])))]]
    def found(self, kind, what): self.findings.append((kind, ' '.join(str(what).split())[:300]))

    def finite(self, x, verb):
        "Find samples that are no numbers."
        if x.dtype.kind in 'fc' and not np.isfinite(x).all(): self.found('nonfinite', f'{verb}: {(~np.isfinite(x)).sum()} of {x.size} samples')

    def _sounds(self, folder):
        for p in sorted(Path(folder).rglob('*')):
            if p.is_file() and not p.name.startswith('.') and p.suffix.lower() in ('.wav', '.flac', '.ogg', '.opus', '.mp3', '.aiff', '.au', '.w64', '.caf', '.rf64'): yield p

    def readable(self, folder):
        "Find results that cannot be read, or hold samples that are no numbers."
        for p in self._sounds(folder):
            try: self.finite(sf.read(p)[0], p.name)
            except (sf.SoundFileError, RuntimeError) as e: self.found('unreadable', f'{p.name}: {e}')

    def complete(self, folder, frames, at_least=0):
        "Find results that are shorter than their recording, or too few."
        sounds = list(self._sounds(folder))
        if len(sounds) < at_least: self.found('unreadable', 'the result is not there')
        for p in sounds:
            try: n = sf.info(p).frames
            except (sf.SoundFileError, RuntimeError): n = -1
            if n!=frames: self.found('unreadable', f'{p.name} has {n} of {frames} frames')

    def run(self):
        "Draw and try; what was found."
        try: FAMILIES[self.family][0](self)
        except EXPLAINED as e: self._explained(e)
        except Exception as e: self.found('traceback', f'{type(e).__name__}: {e} ({_place(e)})')
        self._foreign()
        return self.findings

    def _explained(self, e):
        place = _place(e)
        if not str(e).strip(): self.found('unexplained', f'{type(e).__name__} without a word ({place})')
        elif 'weakse/' not in place and not isinstance(e, OSError): self.found('unexplained', f'{type(e).__name__}: {e} ({place})')

    def _foreign(self):
        after = hashes(self.home)
        for path,was in self.before.items():
            if not path.startswith(str(self.home/'out')+os.sep) and after.get(path)!=was:
                self.found('foreign', f"{os.path.relpath(path, self.home)} is {'gone' if path not in after else 'changed'}")

def _place(e):
    "File and line where an error was raised, and the last line of weakse on the way."
    frames = traceback.extract_tb(e.__traceback__)
    last,ours = frames[-1],next((f for f in reversed(frames) if '/weakse/' in f.filename), None)
    short = lambda f: '/'.join(Path(f.filename).parts[-2:])+f':{f.lineno}'
    return short(last) if ours is None or ours is last else f"{short(last)} by {Path(ours.filename).name}:{ours.lineno}"

def a_kit(folder):
    "Systems with random weights, loaded and as folders, and a detector."
    import torch
    from weakse.detectors.small import SmallDetector, save_small
    from weakse.extraction import _demo_bands, _demo_system
    from weakse.labels import Vocabulary
    from weakse.models.selective import SelectiveNet
    from weakse.models.unet import ConditionalUNet
    from weakse.systems import load_system, save_system
    torch.manual_seed(0)
    names = Vocabulary(list(_demo_bands), thresholds=[.015]*3)
    folders = {n: folder/n for n in ('unet', 'selective', 'ears')}
    save_system(ConditionalUNet(n_cond=3, width=1/32, depth=2), folders['unet'], sample_rate=16000, vocabulary=names, config=dict(block=1.0))
    save_system(SelectiveNet(n_classes=3, sample_rate=16000, n_embed=8, width=1/32, depth=3, channels=[4]*5), folders['selective'], sample_rate=16000,
                vocabulary=names, bank=torch.eye(3, 8), config=dict(block=1.0))
    save_small(SmallDetector(names, 16000, width=4), folders['ears'])
    loaded = {n: load_system(folders[n]) for n in ('unet', 'selective')}
    return dict(folders=folders, systems=dict(bands=_demo_system(), **loaded, wiener=load_system('wiener'), highpass=load_system('highpass')))

def one(seed, number, kit, keep=False):
    "Run a case in a folder of its own."
    home = Path(tempfile.mkdtemp(prefix=f'fuzz_{number}_'))
    case = Case(seed, number, kit, home)
    try: return case.family,case.run(),case.notes
    finally:
        if keep: print(f'files of the case: {home}')
        else: shutil.rmtree(home, ignore_errors=True)

def _limit():
    "No case may take the machine's memory: what wants more gets a MemoryError, which is a finding."
    size = int(Path('/proc/self/statm').read_text().split()[0])*resource.getpagesize() if sys.platform=='linux' else None
    if size: resource.setrlimit(resource.RLIMIT_AS, (size+ROOM, size+ROOM))

def in_a_child(seed, numbers, kit):
    "The cases in one process that may die: (number, family, findings) of each, a death being a finding of the case that was on."
    left = list(numbers)
    while left:
        read,write = os.pipe()
        pid = os.fork()
        if not pid: _work(seed, left, kit, read, write)
        os.close(write)
        yield from _collect(pid, read, left, seed)

def _work(seed, numbers, kit, read, write):
    "What the child does: the cases, a line for each."
    os.close(read)
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2): os.dup2(null, fd)
    warnings.simplefilter('ignore')
    _limit()
    with os.fdopen(write, 'w') as out:
        for k in numbers:
            signal.alarm(300)  # ends the process: what hangs in a library does not listen to anything softer
            print(json.dumps([k, *one(seed, k, kit)]), file=out, flush=True)
    os._exit(0)

def _collect(pid, read, left, seed):
    with os.fdopen(read) as lines:
        for line in lines:
            k,family,findings,notes = json.loads(line)
            left.remove(k)
            yield k,family,findings,notes
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if left and code:
        k = left.pop(0)
        family = family_of(np.random.default_rng([seed, k]))
        yield k,family,[('hung' if code==-signal.SIGALRM else 'crash', f'signal {-code}' if code < 0 else f'exit code {code}')],[]

def results(seed, numbers, kit, batch=40):
    "All cases, in one process where they can be, the command's from here."
    inside = []
    for k in numbers:
        if family_of(np.random.default_rng([seed, k])) not in OF_COMMAND: inside.append(k)
        else: yield k,*one(seed, k, kit)
        if len(inside)==batch:
            yield from in_a_child(seed, inside, kit)
            inside = []
    yield from in_a_child(seed, inside, kit)

def fuzz(seed=0, n=2000, case=None, show=print):
    "Run the cases; counts by kind of finding, and of families."
    counts,families,start = Counter(),Counter(),time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        kit = a_kit(Path(folder))
        drawn = results(seed, range(n), kit) if case is None else results(seed, [case], kit)
        for k,family,findings,notes in drawn:
            families[family] += 1
            for kind,what in findings:
                counts[kind] += 1
                show(f'{kind:<11} SEED={seed} CASE={k:<5} {family}: {what}{"".join(f" [{x}]" for x in notes)}')
    show(f"{sum(families.values())} inputs in {time.monotonic()-start:.0f} s ("+', '.join(f'{v} {k}' for k,v in families.most_common())+')')
    totals = Counter({name: 0 for name in COUNTED.values()})
    for kind,c in counts.items(): totals[COUNTED.get(kind, kind)] += c
    show(', '.join(f'{name} {c}' for name,c in totals.items()))
    return counts,families

def failures(counts):
    "How much was found that must not be; what another library says unexplained is told only."
    return sum(c for kind,c in counts.items() if kind!='unexplained')

if __name__=='__main__':
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--n', type=int, default=2000)
    parser.add_argument('--case', type=int)
    asked = parser.parse_args()
    sys.exit(failures(fuzz(asked.seed, asked.n, asked.case)[0]) > 0)
