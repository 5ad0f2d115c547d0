"""What things cost, as ratios measured in one run: `make bench`.

Everything is made here from noise, so no artifact is needed; a trained system is used where there is one.
"""
import json, os, subprocess, sys, tempfile, time
from pathlib import Path
import numpy as np, torch
from rich.console import Console
from rich.table import Table

torch.set_num_threads(2)

def seconds(f, n=1):
    "Seconds of a call, the best of `n`."
    best = float('inf')
    for _ in range(n):
        start = time.perf_counter()
        f()
        best = min(best, time.perf_counter()-start)
    return best

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
                yield f'mining {n}, {name}', 'left out', f'would take over {limit} s'
                continue
            pairs, spent[name] = (
                sum(len(f(s)) for s in batches),
                seconds(lambda: [f(s) for s in batches], 1 if f is match_pairs else 5))
            plain = plain or spent[name]
            yield (
                f'mining {n}, {name}', f'{pairs / spent[name]:,.0f} pairs/s',
                f'{plain / spent[name]:.2g} x as listed; pairs {2 * pairs / n / len(batches):.1%} of the '
                'anchors',
            )

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
    def wav(self, idx):
        return torch.from_numpy(self.audio[np.asarray(idx)]).float()/32768
    def __len__(self):
        return len(self.audio)

def large_blocks(batch=16):
    "A training step of Table 1's network with the large blocks of its memory kept, and given back to the system."
    import torch
    from weakse.core.devices import blocks_kept
    from weakse.models.unet import ConditionalUNet
    net = ConditionalUNet(73, channels=[16, 24, 32, 48, 64, 96, 128], hop_length=256, input='cubic_root')
    net = net.to(memory_format=torch.channels_last)
    mix,cond = .05*torch.randn(batch, 32000),torch.rand(batch, 73)
    def step():
        net.zero_grad()
        (net(mix, cond) - mix).abs().mean().backward()
    before = seconds(step, 3)
    with blocks_kept():
        kept = seconds(step, 3)
    yield 'large blocks kept', f'{before/kept:.2f} times as fast', f'{batch} times 2 s, float32: {kept:.2f} s, without {before:.2f} s'

def training(steps=8, batch=8):
    """Share of a training step spent outside the network: waiting for mixtures, against forward, backward and
    update."""
    from weakse.training.losses import make_loss
    from weakse.mining.mixtures import Mixtures
    from weakse.models.unet import ConditionalUNet
    from weakse.training.tasks import WeakTask
    from weakse.training.loop import fit, outside_share
    store = Store()
    pairs = np.random.default_rng(2).permutation(len(store)).reshape(-1, 2)
    mixtures = Mixtures(store, pairs, None, np.eye(35, dtype=bool)[store.classes], batch_size=batch)
    task = WeakTask(ConditionalUNet(35, width=.25), make_loss({'waveform_mae':1.}), 1e-3)
    history = fit(task, mixtures.batches(0), steps, [], 0, False)
    alone = seconds(lambda: mixtures.batch(0), 5)
    yield 'a batch of mixtures', f'{1000*alone:.0f} ms', f'{batch} times 2 s, made ahead in a thread'
    yield 'training step outside the network', f'{100*outside_share(history):.1f} %', 'at most 10 %'

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
    yield 'training step, 2 threads', f'{1000*alone:.0f} ms', 'alone'
    yield (
        'the same beside a busy core', f'{1000 * ours:.0f} ms',
        f'{ours / alone:.1f} x alone, at most 3; {spinning / alone:.1f} x if threads spin while they wait')

worker = '''
import sys, json, time, resource, torch
torch.set_num_threads(2)
from weakse.inference.enhance import enhance_file
from weakse.models.registry import load_system
system = load_system(sys.argv[1])
start = time.perf_counter()
enhance_file(sys.argv[2], sys.argv[3], system)
print(json.dumps([time.perf_counter()-start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss/1024]))
'''

def a_system(folder):
    "Folder of the system that `make repro` trained, or of an untrained one of the same size."
    from weakse.models.registry import default_system, save_system
    if (default_system()/'config.json').is_file(): return default_system()
    from weakse.core.labels import audioset_vocabulary
    from weakse.models.unet import ConditionalUNet
    v = audioset_vocabulary()
    return save_system(ConditionalUNet(len(v), width=.25), folder, sample_rate=16000, vocabulary=v)

def enhancing(minutes=(1, 10), rate=16000):
    "Speed and peak memory for one and for ten minutes of audio, each in a process of its own."
    import soundfile as sf
    with tempfile.TemporaryDirectory() as d:
        system = a_system(Path(d)/'system')
        for m in minutes:
            sf.write(f'{d}/{m}.wav', .1*np.random.default_rng(0).standard_normal(rate*60*m), rate)
            out = subprocess.run(
                [sys.executable, '-c', worker, str(system), f'{d}/{m}.wav', f'{d}/{m}_out.wav'],
                capture_output=True, text=True, check=True)
            took,memory = json.loads(out.stdout.splitlines()[-1])
            yield f'enhancing {m} min', f'{60*m/took:.0f} x real time', f'{memory:.0f} MiB at most'

def long_file(seconds=7200, rate=48000, limit=400):
    """Peak memory for two hours of stereo at 48 kHz against a minute, with a filter and, for ten minutes (two
    hours with `--long`), with the network."""
    import soundfile as sf
    noise = .1*np.random.default_rng(0).standard_normal((30*rate, 2)).astype('float32')
    with tempfile.TemporaryDirectory() as d:
        for system, longest in (
            ('highpass', seconds),
            (str(a_system(Path(d) / 'system')), seconds if '--long' in sys.argv else seconds // 12)):
            peaks = {}
            for length in (60, longest):
                with sf.SoundFile(f'{d}/in.wav', 'w', rate, 2, 'PCM_16') as file:
                    for _ in range(length//30):
                        file.write(noise)
                out = subprocess.run(
                    [sys.executable, '-c', worker, system, f'{d}/in.wav', f'{d}/out.wav'],
                    capture_output=True, text=True, check=True)
                took,peaks[length] = json.loads(out.stdout.splitlines()[-1])
            more = peaks[longest]-peaks[60]
            yield (
                f'{longest // 60} min stereo at {rate // 1000} kHz, {Path(system).name}',
                f'{peaks[longest]:.0f} MiB at most',
                f'{more:+.0f} against a minute, at most {limit}; {longest / took:.0f} x real time')

def scoring(n=3, rate=16000):
    "Metrics of a pair of 3 s, in one process."
    from weakse.evaluation.metrics import score_pair
    rng = np.random.default_rng(0)
    s = (rng.standard_normal(3*rate)*np.repeat(rng.random(60), 3*rate//60)*.1).astype('float32')
    pair = torch.from_numpy(s), torch.from_numpy(s+.01*rng.standard_normal(len(s)).astype('float32'))
    score_pair(*pair, rate)
    yield (
        'scoring', f'{n / seconds(lambda: [score_pair(*pair, rate) for _ in range(n)]):.1f} pairs/s',
        'of 3 s, all metrics')

if __name__=='__main__':
    table = Table(
        'what', 'measured', 'note',
        title=f'weakse bench: {torch.get_num_threads()} threads, torch {torch.__version__}')
    for part in (mining, training, large_blocks, beside_a_busy_core, enhancing, long_file, scoring):
        for row in part():
            table.add_row(*row)
            print(*row, sep=' | ', file=sys.stderr)
    Console(width=None if sys.stdout.isatty() else 100).print(table)
