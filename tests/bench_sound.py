"""What sound costs, as `make bench` prints it: files, faders, scores, and the shipped enhancer beside RNNoise.

A real time factor is processor time for a second of sound: a busy machine does not change it. What is measured by the
clock says so."""
import json, subprocess, sys, tempfile
from importlib.util import find_spec
from pathlib import Path
import numpy as np, torch
from bench_rows import clocked, left_out, processor_seconds, row, seconds

LONG = 7200          # s of the long recording
UTTERANCES = 824     # as many as VoiceBank-DEMAND has to test on
ROOT = Path(__file__).parents[1]

def sound(seconds, rate=16000, channels=None):
    "Noise that comes and goes, as `(T,)` or `(T, C)` float32."
    shape = (round(seconds*rate), *([channels] if channels else []))
    loud = np.repeat(np.random.default_rng(1).random(max(1, round(10*seconds))), rate//10)[:shape[0]]
    noise = np.random.default_rng(0).standard_normal(shape, np.float32)
    return .1*noise*np.resize(loud, shape[0]).reshape(-1, *[1]*(len(shape) - 1)).astype(np.float32)

NAMES = 'Speech','Dog','Rain','Bell'

def a_system(folder, **net):
    "An untrained system of four classes and of some size, as a folder."
    from weakse.core.labels import Vocabulary
    from weakse.models.registry import save_system
    from weakse.models.unet import ConditionalUNet
    v = Vocabulary(NAMES)
    return save_system(ConditionalUNet(len(v), **net), folder, sample_rate=16000, vocabulary=v)

# -- enhancing ---------------------------------------------------------------------------------------------------

def enhancing(widths=(.125, .25, .5), length=20):
    "Times real time of a file at each width, and what its time is spent on."
    import soundfile as sf, weakse.models.unet as unet
    from weakse.inference.enhance import enhance_file
    from weakse.models.registry import load_system
    places = dict(
        STFT=[(unet, 'stft'), (unet, 'istft')], network=[(unet.ConditionalUNet, 'mask')],
        files=[(sf.SoundFile, k) for k in ('__init__', 'read', 'write', 'close')])
    with tempfile.TemporaryDirectory() as d:
        sf.write(f'{d}/in.wav', sound(length), 16000)
        for width in widths:
            system = load_system(a_system(f'{d}/{width}', width=width), device='cpu')
            run = lambda: enhance_file(f'{d}/in.wav', f'{d}/{width}.wav', system, overwrite=True)
            run()
            with clocked(places) as spent: total, = processor_seconds([run], 1)
            shape = f'{length} s at 16 kHz, float32; processor time'
            yield row(f'enhancing, width {width:g}', length/total, 'x real time', shape)
            for name,s in (*spent.items(), ('the rest', total - sum(spent.values()))):
                yield row(f'enhancing, width {width:g}: {name}', 100*s/total, '%', shape)

def rnnoise(x):
    "RNNoise over samples `(T,)` int16 at 48 kHz, frame after frame."
    from pyrnnoise.rnnoise import FRAME_SIZE, create, destroy, process_mono_frame
    state = create()
    for at in range(0, len(x) - FRAME_SIZE + 1, FRAME_SIZE): process_mono_frame(state, x[at:at + FRAME_SIZE])
    destroy(state)

loader = '''
import time, torch, weakse.models.registry as registry, weakse.inference.enhance
start = time.process_time(), time.perf_counter()
registry.load_system('base', device='cpu')
print(time.process_time() - start[0], time.perf_counter() - start[1])
'''

def beside_rnnoise(length=60):
    "The enhancer that comes with the package, and RNNoise, each at its own rate; RNNoise computes with one thread."
    from weakse.inference.enhance import enhance
    from weakse.models.registry import load_system
    system,x = load_system('base', device='cpu'),sound(length)
    enhance(x[:16000], 16000, system)
    ours, = processor_seconds([lambda: enhance(x, 16000, system)], 2)
    shape = f'{length} s of noise at 16 kHz, {torch.get_num_threads()} thread(s)'
    yield row('shipped enhancer, real time factor', ours/length, 's/s', f'{shape}; processor time')
    clock = seconds(lambda: enhance(x, 16000, system), 2)/length
    yield row('shipped enhancer, real time factor by the clock', clock, 's/s', shape, below=.01)
    done = subprocess.run([sys.executable, '-c', loader], capture_output=True, text=True, check=True, cwd=ROOT)
    busy,wall = map(float, done.stdout.split())
    yield row('shipped enhancer, loading', busy, 's', f'processor time; {wall:.2g} s by the clock, torch was there already', below=1)
    if not find_spec('pyrnnoise'):
        yield left_out('RNNoise, real time factor', "needs pyrnnoise: pip install 'weakse[bench]'")
        return
    from importlib.metadata import version
    loud = (32767*sound(length, 48000)).astype(np.int16)
    theirs, = processor_seconds([lambda: rnnoise(loud)], 2)
    by = f"pyrnnoise {version('pyrnnoise')}, {length} s of noise at 48 kHz; processor time"
    yield row('RNNoise, real time factor', theirs/length, 's/s', by)
    yield row('shipped enhancer, real time factor against RNNoise', ours/theirs, 'x RNNoise', 'processor time')

# -- faders ------------------------------------------------------------------------------------------------------

def faders(length=30):
    "A fader is moved and the whole recording mixed anew."
    from weakse.inference.mixer import Mixer
    from weakse.models.registry import load_system
    with tempfile.TemporaryDirectory() as d:
        system = load_system(a_system(f'{d}/s', width=.125), device='cpu')
        made = []
        apart, = processor_seconds([lambda: made.append(Mixer(
            torch.from_numpy(sound(length)), 16000, system, None, list(NAMES), progress=False))], 1)
        mixer,at = made[0],iter(np.linspace(-20, 5, 99))
        def move():
            mixer.gains['Dog'] = next(at)
            mixer.render()
        moved, = processor_seconds([move], 20)
    shape = f'{len(NAMES)} classes and the rest, {length} s at 16 kHz'
    yield row('a fader is moved', 1000*moved, 'ms', f'{shape}; processor time')
    yield row('taking a recording apart, against moving a fader', apart/moved, 'x', f'{shape}, width 0.125; processor time')

# -- long recordings ---------------------------------------------------------------------------------------------

worker = '''
import sys, json, time, torch
sys.path.insert(0, "tests")
from bench_rows import peak_mib
torch.set_num_threads(int(sys.argv[4]))
from weakse.inference.enhance import enhance_file
from weakse.models.registry import load_system
system = load_system(sys.argv[1], device='cpu')
start = time.process_time()
enhance_file(sys.argv[2], sys.argv[3], system)
print(json.dumps([time.process_time() - start, peak_mib()]))
'''

def long_file(rate=48000, limit=400):
    "Peak memory for two hours of stereo at 48 kHz against a minute, each in a process of its own."
    import soundfile as sf
    part = sound(30, rate, 2)
    with tempfile.TemporaryDirectory() as d:
        for system in ('highpass', 'base'):
            peaks = {}
            for length in (60, LONG):
                with sf.SoundFile(f'{d}/in.wav', 'w', rate, 2, 'PCM_16') as file:
                    for _ in range(length//30): file.write(part)
                words = [system, f'{d}/in.wav', f'{d}/{length}.wav', str(torch.get_num_threads())]
                done = subprocess.run([sys.executable, '-c', worker, *words], capture_output=True, text=True, check=True, cwd=ROOT)
                took,peaks[length] = json.loads(done.stdout.splitlines()[-1])
                Path(f'{d}/{length}.wav').unlink()
            shape = f'{LONG/60:g} min of stereo at {rate//1000} kHz'
            yield row(
                f'{system}, memory of two hours against a minute', peaks[LONG]/peaks[60], 'x',
                f'{shape}: {peaks[LONG]:.0f} MiB at most, {peaks[60]:.0f} for a minute')
            yield row(f'{system}, memory of two hours beyond a minute', peaks[LONG] - peaks[60], 'MiB', shape, below=limit)
            yield row(f'{system}, two hours of stereo', LONG/took, 'x real time', f'{shape}; processor time')

# -- scoring -----------------------------------------------------------------------------------------------------

def scoring(length=2.5):
    "All metrics of many utterances, in two processes against one."
    import soundfile as sf
    from weakse.evaluation.scoring import score_folders
    with tempfile.TemporaryDirectory() as d:
        for name,noise in (('clean', 0.), ('noisy', .02)):
            Path(d, name).mkdir()
            for i in range(UTTERANCES):
                x = np.roll(sound(length), 997*i)
                sf.write(f'{d}/{name}/{i:03d}.wav', x + noise*np.random.default_rng(i).standard_normal(len(x)), 16000)
        spent = {}
        for n in (1, 2):
            spent[n] = seconds(lambda: score_folders(f'{d}/clean', f'{d}/noisy', n_workers=n, progress=False))
    shape = f'{UTTERANCES} utterances of {length:g} s, all metrics, by the clock'
    yield row('scoring, one process', spent[1], 's', shape)
    yield row('scoring, two processes against one', spent[1]/spent[2], 'x', f'{shape}; two cores must be free', wants=1.8)

parts = enhancing, beside_rnnoise, faders, scoring, long_file
