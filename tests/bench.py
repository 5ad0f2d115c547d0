"""What things cost, as ratios measured in one run: `make bench`, or `python tests/bench.py PART ...` for some of it.

Everything is made here from noise, so no artifact is needed. What was measured is kept in results/bench.json, with the
shapes, the processor, and how busy the machine was (its load average before and after each part); a part that is measured
again replaces its own rows. Where a part says processor time, it is that of this process: a busy machine changes it little.
"""
import argparse, json, os, subprocess, sys
from pathlib import Path
import numpy as np, torch
import bench_sound
from bench_rows import left_out, processor_seconds, row, seconds, told
from bench_scale import parts as scale_parts
from rich.console import Console
from rich.table import Table
import weakse
from weakse.core.devices import blocks_kept, processor_words
from weakse.core.files import read_json, write_json

RESULTS = Path(__file__).parents[1]/'results'/'bench.json'
THREADS = int(os.environ.get('OMP_NUM_THREADS', 2))
torch.set_num_threads(THREADS)
def tag_sets(n, seed=0, n_classes=527):
    "Made-up tag sets: two rare classes an anchor, and Speech in almost half of them, as in AudioSet."
    rng = np.random.default_rng(seed)
    sets = rng.random((n, n_classes)) < .004
    sets[:,0] |= rng.random(n) < .45
    return sets

def mining(sizes=(24, 96, 384, 1536, 4096), limit=20):
    """Pairs a second of Algorithm 1 as listed, of its bit form and of the maximum matching, for growing
    mini-batches."""
    from weakse.mining.pairs import match_pairs, mine_pairs, mine_pairs_fast
    spent = {}
    for n in sizes:
        batches, plain = [tag_sets(n, i) for i in range(max(3, 960//n))], None
        for name, f in (
            ('as listed', mine_pairs), ('bits', mine_pairs_fast), ('maximum matching', match_pairs)):
            if spent.get(name, 0)*16 > limit:
                yield left_out(f'mining {n}, {name}', f'would take over {limit} s')
                continue
            pairs, spent[name] = (
                sum(len(f(s)) for s in batches),
                seconds(lambda: [f(s) for s in batches], 1 if f is match_pairs else 5))
            plain = plain or spent[name]
            yield row(
                f'mining {n}, {name}', plain/spent[name], 'x as listed',
                f'{pairs/spent[name]:,.0f} pairs/s; pairs {2*pairs/n/len(batches):.1%} of the anchors')

class Store:
    "Anchors of noise."
    def __init__(self, n=200, n_classes=35, sample_rate=16000, seconds=2.0):
        from weakse.core.labels import Vocabulary
        self.vocabulary = Vocabulary([f'class {i}' for i in range(n_classes)])
        self.sample_rate = sample_rate
        self.seconds = seconds
        rng = np.random.default_rng(0)
        self.audio = (rng.standard_normal((n, int(sample_rate*seconds)))*3000).astype(np.int16)
        self.tags,self.classes = rng.random((n, n_classes), dtype=np.float32),np.arange(n)%n_classes
    def samples(self, idx):
        return torch.from_numpy(self.audio[np.asarray(idx)])
    def wav(self, idx):
        return self.samples(idx).float()/32768
    def __len__(self):
        return len(self.audio)

def large_blocks(n=4, rounds=3):
    "A step of Table 1's network with the large blocks of its memory kept, and given back to the system."
    net = task_of(QUICK, precision='float32').model
    mix,cond = .05*torch.randn(n, 32000),torch.rand(n, 35)
    def step():
        net.zero_grad()
        (net(mix, cond) - mix).abs().mean().backward()
    before = seconds(step, rounds)
    with blocks_kept():
        kept = seconds(step, rounds)
    yield row('step, large blocks kept, against given back', before/kept, 'x', f'quick width, {n} mixtures of 2 s, float32')

# -- training ------------------------------------------------------------------------------------------------------

QUICK = dict(channels=[16, 24, 32, 48, 64, 96, 128], n_fft=512, hop_length=256, input='cubic_root')  # params.yaml
FULL = dict(width=1., n_fft=1024, hop_length=320, normalise=False)                                   # params/paper.yaml

def task_of(net, n_cond=35, **how):
    "Network, loss and optimiser on the CPU."
    from weakse.models.unet import ConditionalUNet
    from weakse.training.losses import make_loss
    from weakse.training.tasks import WeakTask
    return WeakTask(ConditionalUNet(n_cond, **net), make_loss({'waveform_mae': 1.}), 1e-3, device='cpu', **how)

def noise_batch(n, samples, n_cond=35):
    return dict(mix=.1*torch.randn(n, samples), target=.1*torch.randn(n, samples), cond=torch.rand(n, n_cond))

def _step(name, net, n, samples, rounds, multiply=1024):
    "A step as it is chosen here against float32 in the default layout, and against a matrix product."
    from weakse.training.cost import step_flops
    n_cond = 527 if net is FULL else 35
    tasks = [task_of(net, n_cond), task_of(net, n_cond, precision='float32', layout='contiguous')]
    batch = noise_batch(n, samples, n_cond)
    flops = step_flops(tasks[0], batch)
    a = torch.randn(multiply, multiply, dtype=tasks[0].dtype)
    ours,plain,product = processor_seconds([lambda: tasks[0].step(batch), lambda: tasks[1].step(batch), lambda: a@a], rounds)
    rate,top = flops/ours/1e9,2*multiply**3/product/1e9
    how = f"{str(tasks[0].dtype).removeprefix('torch.')}, {tasks[0].layout}"
    shape = f"{n} mixtures of {samples} samples"
    yield row(f'step, {name}', ours, 's', f'{how}; {shape}; processor time')
    yield row(f'step, {name}, against float32 in the default layout', plain/ours, 'x', how, wants=2.5, only='bfloat16' in how)
    yield row(f'step, {name}, operations', flops/1e9, 'GFLOP', shape)
    yield row(f'step, {name}, rate', rate, 'GFLOP/s', 'operations by processor time')
    yield row(
        f'step, {name}, share of a matrix product', 100*rate/top, '%',
        f'{multiply} x {multiply}, {top:.0f} GFLOP/s of the same processor', wants=35 if net is FULL else None)

def step(rounds=3):
    "A training step at the width of the quick run."
    yield from _step('quick width', QUICK, 4, 32000, rounds)

def full_width(rounds=2):
    "A training step at the paper's width, on four mixtures: of one, most of a step is its 147 M parameters."
    yield from _step('full width', FULL, 4, 64000, rounds)

def parts_of_a_step(n=4, rounds=3):
    "Where a step's time goes: forward, backward, update; and what a batch costs before it."
    task,batch = task_of(QUICK, ema=.99, clip=5.),noise_batch(4, 32000)
    mixtures,box = _mixtures(n),{}
    def forward(): box['loss'] = task.losses(batch)['loss']
    def backward(): box['loss'].backward()
    def update():
        torch.nn.utils.clip_grad_norm_(task.model.parameters(), 5.)
        task.opt.step()
        task.average.update(task.model)
    parts = processor_seconds([lambda: mixtures.batch(0), forward, backward, update], rounds)
    for name,s in zip(('mixtures, made ahead', 'forward', 'backward', 'clip, Adam and average'), parts):
        yield row(f'part of a step: {name}', s, 's', f'quick width, {n} mixtures of 2 s; processor time')

def _mixtures(n, store=None):
    from weakse.mining.mixtures import Mixtures
    store = store or Store()
    pairs = np.random.default_rng(2).permutation(len(store)).reshape(-1, 2)
    return Mixtures(
        store, pairs, None, np.eye(35, dtype=bool)[store.classes], batch_size=n, level='snr', n_interferers=(1, 2),
        eq_db=6., both_directions=False)

def outside(steps=6, n=4):
    "Share of a training step spent outside the network: waiting for mixtures, against forward, backward and update."
    from weakse.training.loop import fit, outside_share
    for name,net,n,steps in (('quick', QUICK, n, steps), ('full', FULL, 1, 2)):
        mixtures = _mixtures(n)
        history = fit(task_of(net), mixtures.batches(0), steps + 1, [], 0, False)[1:]
        yield row(
            f'step, {name} width, time outside the network', 100*outside_share(history), '%',
            f'{n} mixtures of 2 s at 16 kHz, by the clock', below=5)

def _listeners():
    "Detectors of AudioSet's classes that can be here, untrained: their speed does not depend on their weights."
    from weakse.detectors.efficientat import EfficientAT
    from weakse.detectors.panns import PANNs, build_network
    yield 'EfficientAT',EfficientAT()
    try:
        nets = [build_network(name) for name in ('Cnn14_DecisionLevelMax', 'Cnn14')]
    except ImportError:
        return
    for weight in (w for net in nets for w in net.parameters()):
        torch.nn.init.normal_(weight, std=.02)
    yield 'PANNs',PANNs(*nets)

def tagger_in_the_loop():
    """The paper's loop: for every anchor the detector hears its clip of 10 s and the tagger the anchor, in every step.
    PANNs are the paper's two listeners, from the extra `audioset`; EfficientAT is much smaller."""
    for name,net,n in (('quick', QUICK, 2), ('full', FULL, 1)):
        task,mixtures = task_of(net),_mixtures(n)
        clips,anchors = .1*torch.randn(2*n, 320000),.1*torch.randn(2*n, 64000)
        def ours(): task.step(mixtures.batch(0))
        ours()
        for who,listener in _listeners():
            def theirs():
                for clip in clips:
                    listener.framewise(clip[None])
                listener.tags(anchors)
            with torch.no_grad(): listening,without = processor_seconds([theirs, lambda: torch.enable_grad()(ours)()], 2)
            yield row(
                f'step, {name} width, with {who} in it', 1 + listening/without, 'x ours',
                f'{n} mixtures of 2 s at 16 kHz from {2*n} clips of 10 s; processor time', wants=3, only=who=='PANNs')

peak = '''
import json, sys, torch
sys.path.insert(0, "tests")
from bench import task_of, noise_batch
from bench_rows import peak_mib
net, n, samples = json.loads(sys.argv[1])
batch = noise_batch(n, samples)
torch.nn.Conv2d(1, 1, 3)(torch.zeros(1, 1, 8, 8))
before = peak_mib()
task = task_of(net)
for _ in range(2): task.step(batch)
print(json.dumps([peak_mib() - before, sum(p.numel() for p in task.model.parameters())]))
'''

def memory_by_width(widths=(.125, .25, .5), n=2, samples=32000):
    "Peak memory of two steps beyond what an import takes, each width in a process of its own."
    narrowest = None
    for width in widths:
        net = dict(width=width, n_fft=512, hop_length=256)
        out = subprocess.run(
            [sys.executable, '-c', peak, json.dumps([net, n, samples])], capture_output=True, text=True, check=True,
            cwd=Path(__file__).parents[1])
        most,parameters = json.loads(out.stdout.splitlines()[-1])
        narrowest = narrowest or most
        yield row(
            f'memory of a step, width {width:g}', most, 'MiB', f'{most/narrowest:.2g} x the narrowest; {parameters/1e6:.1f} M '
            f'parameters, {n} mixtures of {samples} samples, beyond what an import takes')

stepper = '''
import sys, time
import weakse, torch
from weakse.models.segan import Generator
torch.set_num_threads(2)
net, wav = Generator(width=.25), torch.randn(4, 16384)
z = torch.randn(4, net.code, 8)
optimiser = torch.optim.Adam(net.parameters())
def step(): optimiser.zero_grad(); net(wav, z).square().mean().backward(); optimiser.step()
step()
n, start = 0, time.perf_counter()
while time.perf_counter()-start < 10: step(); n += 1
print((time.perf_counter()-start)/n)
'''

def beside_a_busy_core():
    """A training step alone and beside one busy core, with sleeping threads (ours) and with spinning ones
    (what OpenMP does by itself)."""
    def spent(**env):
        env = {k: v for k,v in os.environ.items() if not k.startswith(('OMP_', 'GOMP_'))} | env
        return float(
            subprocess.run(
                [sys.executable, '-c', stepper], env=env, capture_output=True, text=True, check=True).stdout
        )
    alone = spent()
    busy = subprocess.Popen([sys.executable, '-c', 'while True: pass'])
    try:
        ours,spinning = spent(),spent(OMP_WAIT_POLICY='ACTIVE')
    finally:
        busy.kill()
        busy.wait()
    yield row('training step of SEGAN, 2 threads', alone, 's', 'alone; wall clock')
    yield row(
        'the same beside a busy core', ours/alone, 'x alone', f'{spinning / alone:.1f} x if threads spin while they wait',
        below=2.5)

own_parts = (
    mining, large_blocks, step, parts_of_a_step, outside, tagger_in_the_loop, memory_by_width, full_width, beside_a_busy_core)
PARTS = {f.__name__: f for f in own_parts + scale_parts + bench_sound.parts}

def kept(name, rows, load):
    "Keep a part beside what other runs have measured on this processor."
    machine = dict(processor=processor_words(), cores=os.cpu_count(), torch=torch.__version__, weakse=weakse.__version__)
    earlier = read_json(RESULTS) if RESULTS.is_file() else {}
    if earlier.get('machine')!=machine: earlier = dict(parts={}, load={})
    write_json(
        RESULTS, dict(machine=machine, parts=earlier['parts'] | {name: rows}, load=earlier['load'] | {name: load}), overwrite=True)

def load_average():
    "How many processes wanted a processor in the last minute; nothing where the system does not say."
    return [round(os.getloadavg()[0], 2)] if hasattr(os, 'getloadavg') else []

def measured(name):
    "The rows of a part, which are kept and printed."
    load = load_average()
    rows = list(PARTS[name]())
    kept(name, rows, load + load_average())
    for r in rows: print(*told(r), sep=' | ', file=sys.stderr, flush=True)
    return rows

if __name__=='__main__':
    reader = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    reader.add_argument('part', nargs='*', help=f"what to measure: {', '.join(PARTS)}; default: all")
    reader.add_argument('--utterances', type=int, default=bench_sound.UTTERANCES, help="that are scored (default: %(default)s)")
    asked = reader.parse_args()
    bench_sound.UTTERANCES = asked.utterances
    wanted = asked.part or list(PARTS)
    unknown = set(wanted) - set(PARTS)
    if unknown: reader.error(f"no part is called {unknown.pop()!r}; known: {', '.join(PARTS)}")
    table = Table('what', 'measured', 'note', title=f'weakse bench: {processor_words()}, torch {torch.__version__}')
    for name in wanted:
        for r in measured(name): table.add_row(*told(r))
    Console(width=None if sys.stdout.isatty() else 110).print(table)
