"""Hostile inputs drawn at random: `make fuzz SEED=0 N=2000`, or one again: `make fuzz SEED=0 CASE=123`.
A case is a pure function of (seed, case). It runs in a folder of its own beside a canary tree, in a worker that is started again
where a case ends it. Fine is a finite result of the right shape, or an error of ours in one line; all else is counted as a finding."""
import argparse, hashlib, io, json, multiprocessing, os, random, resource, shutil, signal, socket, struct, subprocess, sys, tempfile, time, traceback, warnings
os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('MPLBACKEND', 'agg')
from collections import Counter
from pathlib import Path
import numpy as np, soundfile as sf, torch
from typer.testing import CliRunner
import weakse
from weakse.corpora.label_tables import read_labels
from weakse.mining.anchor_store import AnchorStore, write_anchors
from weakse.mining.audits import read_audit
from weakse.app.server import free_port, write_page
from weakse.core.audio import audio_info, load_audio, save_audio
from weakse.core.display import play
from weakse.core.resampling import resample
from weakse.core.waveform import check_audio, down_mix
from weakse.cli.main import app
from weakse.cli.main import main
from weakse.cli.stages import check_params
from weakse.detectors.protocol import detect, load_detector
from weakse.detectors.small import SmallDetector, save_small
from doubles import BANDS, band_system, BandDetector
from weakse.inference.extract import extract
from weakse.inference.enhance import enhance
from weakse.core.labels import Vocabulary
from weakse.core.ontology import Ontology
from weakse.mining.mine import mine_store
from weakse.evaluation.metrics import metric_names, metric_of
from weakse.inference.mixer import Mixer
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.registry import load_system, save_system

# s that a case may take
REPO = Path(__file__).resolve().parents[1]
HERE = Path(weakse.__file__).resolve().parent
LIMIT = 60
NAMES = Vocabulary(list(BANDS))
SEVERAL_LINES = {'OntologyError','AuditError','CorpusError'}   # these list what they found
FINDINGS = ('traceback','crash','hang','non-finite','foreign file touched','left over','wrong result')

class Finding(Exception):
    "Something that must not be: its kind, and what it was."

# -- what is fine
# ----------------------------------------------------------------------------------------------------------------------------------

def check_error(e):
    "Raise `Finding` unless an exception explains itself: one of ours, or the system's, in one line."
    frames = traceback.extract_tb(e.__traceback__)
    where = Path(frames[-1].filename) if frames else Path()
    ours = isinstance(e, OSError) or (
        isinstance(e, (ValueError, ImportError, FloatingPointError)) and where.is_relative_to(HERE))
    kinds = {c.__name__ for c in type(e).__mro__}
    at = ' < '.join(f'{Path(f.filename).name}:{f.lineno}' for f in frames[::-1][:9])
    if not ours: raise Finding('traceback', f'{type(e).__name__}: {e} at {at}')
    if not str(e).strip() or ('\n' in str(e).strip() and not kinds & SEVERAL_LINES):
        raise Finding('traceback', f'no line of its own: {e!r} at {at}')

def attempt(f, *a, **kw):
    "Call; None where an error of ours came."
    try:
        return f(*a, **kw)
    except Finding:
        raise
    except Exception as e:
        check_error(e)

def finite(y, like, what):
    y = np.asarray(y)
    if y.shape!=np.shape(like): raise Finding('wrong result', f'{what}: shape {y.shape} for {np.shape(like)}')
    if not np.isfinite(y).all(): raise Finding('non-finite', what)

def verb(*words, debug=True):
    "Run a verb in this process; its exit code."
    done = CliRunner().invoke(app, [*(['--debug'] if debug else []), *map(str, words)])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        check_error(done.exception)
    if 'Traceback' in done.output: raise Finding('traceback', done.output[-600:])
    if done.exit_code not in (0, 1, 2):
        raise Finding('traceback', f'exit code {done.exit_code}: {done.output[-300:]}')
    if (
        not debug and done.exit_code == 1
        and not any(w in done.output.lower() for w in ('error:', 'fail', 'mended', 'of '))):
        raise Finding('traceback', f'exit code 1 without a reason: {done.output[-300:]!r}')
    return done.exit_code

def snapshot(folder):
    "What is below a folder: path -> hash, or where a link leads."
    out = {}
    for root,dirs,files in os.walk(os.fsencode(folder)):
        for name in [*dirs, *files]:
            p = os.path.join(root, name)
            if os.path.islink(p):
                out[p] = os.readlink(p)
            elif os.path.isfile(p):
                with open(p, 'rb') as f:
                    out[p] = hashlib.sha256(f.read()).hexdigest()
    return out

def leftovers(folder):
    "Hidden and temporary files below a folder, but the marker, and what libsndfile puts beside an SD2."
    return {
        p for p in snapshot(folder) if (n := os.path.basename(p)) != b'.weakse' and not n.startswith(b'._')
        and (n.startswith(b'.') or b'.tmp' in n or n.endswith(b'.part'))}

# -- the world: made once, copied or read by every case
# ----------------------------------------------------------------------------------------------

def build_world(folder):
    "Small systems with random weights, a detector, an anchor store, two pairs and somebody's own files."
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    save_system(
        ConditionalUNet(n_cond=3, width=1 / 32, depth=3), folder / 'unet', sample_rate=16000,
        vocabulary=NAMES, bank=torch.eye(3), config=dict(block=1.0))
    save_system(
        SelectiveNet(n_classes=3, sample_rate=16000, n_embed=8, width=1 / 32, depth=3, channels=[4] * 5),
        folder / 'selective', sample_rate=16000, vocabulary=NAMES, bank=torch.eye(3, 8),
        config=dict(block=1.0))
    save_small(SmallDetector(NAMES.with_thresholds([.5]*3), width=2), folder/'small')
    import pandas as pd
    table = pd.DataFrame(
        {
            'file': [f'{i}.wav' for i in range(9)], 'class': list(NAMES) * 3, 'start': 0.0, 'score': 0.9,
            'split': 'train'}
    )
    write_anchors(
        folder / 'anchors', table, torch.from_numpy(rng.uniform(-0.5, 0.5, (9, 1600))).float(),
        np.tile(np.eye(3), (3, 1)), NAMES, dict(sample_rate=16000, seconds=0.1))
    for part in ('clean','noisy'):
        (folder/'pairs'/part).mkdir(parents=True)
        for name in 'ab':
            sf.write(folder/'pairs'/part/f'{name}.wav', .1*rng.standard_normal(8000), 16000)
    (folder/'theirs'/'sub').mkdir(parents=True)
    for name in (
        'thesis.tex', 'sub/take.wav', 'config.json', 'step_00000001.pt', 'notes.md', 'data.json',
        'events.csv',
    ):
        (folder/'theirs'/name).write_text(name)
    (folder/'few.yaml').write_text('score: {n_workers: 1}\n')

_loaded = {}
def system(world, name):
    "A system by name, loaded once a worker."
    if name not in _loaded:
        _loaded[name] = (
            band_system() if name == 'bands'
            else load_system(world / name if name in ('unet', 'selective') else name))
    return _loaded[name]

# -- drawn parts
# -------------------------------------------------------------------------------------------------------------------------------------

def pick(rng, items):
    return items[int(rng.integers(len(items)))]

def array(rng):
    "An array that somebody might bring."
    n = int(pick(rng, [1, 2, 3, 100, 257, 999, 4000, 8000, 16001, 30000]))
    channels = int(pick(rng, [0, 0, 0, 1, 2, 2, 6, 64, 65]))
    shape = (n,) if not channels else (channels, n)
    x = pick(
        rng,
        [
            lambda: rng.standard_normal(shape), lambda: np.ones(shape), lambda: np.zeros(shape),
            lambda: np.sign(rng.standard_normal(shape)),
            lambda: np.sin(np.arange(n) * rng.uniform(0.001, 3)) * np.ones(shape)],
    )()
    x = x*pick(rng, [1e-45, 1e-40, 1e-38, 1e-30, 1e-15, 1e-6, .1, .1, .1, .5, 1, 10, 1e4, 1e15, 1e30, 1e38])
    if rng.random() < .2:
        x = x + pick(rng, [.05, -.5, 1e3, 1e-30])
    if channels==2 and rng.random() < .4:
        x[1] = -x[0]*pick(rng, [1, .98, 1e-20])
    if rng.random() < .1:
        x[..., int(rng.integers(n))] = pick(rng, [np.nan, np.inf, -np.inf, 3e38, 1e-45])
    if rng.random() < .05:
        x = pick(rng, [x[None, None], x[..., :0], x.T, list(map(str, x.ravel()[:3]))])
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        x = np.asarray(x)
        if x.dtype.kind=='f' and rng.random() < .4:
            x = x.astype(pick(rng, ['f2','f4','>f4','f8','g','i1','i2','i4','i8','u1','u2','?','c8','O']))
    if rng.random() < .1:
        x = x[..., ::-1]
    if (
        rng.random() < 0.1 and x.dtype.kind in 'f' and x.dtype.itemsize in (4, 8) and x.dtype.isnative
        and x.flags.c_contiguous):
        x = torch.from_numpy(x)
    return x, pick(
        rng,
        [16000] * 6
        + [
            8000, 11025, 44100, 48000, 96000, 1000, 999, 1e6, 16, 0, -1, None, '16000', float('nan'), 44100.0,
            44100.5, True, np.int64(22050), 12347],
    )

def tone(rng, rate, channels, n):
    t = np.arange(n)/rate
    x = .2*np.sin(2*np.pi*rng.uniform(50, 3000)*t) + .05*rng.standard_normal(n)
    return np.stack([x*(1 - .1*c/max(1, channels)) for c in range(channels)], 1)

def sound(rng, path):
    "A sound file of any format and subtype; its path, with the suffix of the format or another."
    form = pick(rng, ['WAV']*5 + list(sf.available_formats()))
    subtype = pick(rng, list(sf.available_subtypes(form)))
    rate = pick(rng, [8000, 16000, 16000, 22050, 44100, 48000])
    channels = pick(rng, [1, 1, 2, 2, 5, 8])
    x = tone(rng, rate, channels, int(pick(rng, [0, 1, 7, 999, 8000, 20000]))) * pick(
        rng, [0, 1e-6, 1, 1, 1, 5])
    if rng.random() < .1 and subtype in ('FLOAT','DOUBLE') and len(x):
        x[len(x)//2] = pick(rng, [np.nan, np.inf, 1e38, 1e-40])
    suffix = pick(
        rng,
        [
            '.wav', f'.{form.lower()}', f'.{form.lower()}', f'.{form.lower()}', '.flac', '.mp3', '.WAV',
            '.ogg', '.raw', '.m4a'],
    )
    path = path.with_name(path.name+suffix)
    try:
        sf.write(path, x, rate, subtype, format=form)
    except (sf.LibsndfileError, ValueError, TypeError, AssertionError):   # VOX ADPCM of an odd number of samples
        sf.write(path, x[:, :1], 16000, 'PCM_16', format='WAV')
    return path

def flip(rng, data, first=4000):
    "Bytes changed, cut, doubled, or replaced by something else."
    b,how = bytearray(data),rng.random()
    if not b: return b
    if how < .5:
        for _ in range(int(rng.integers(1, 9))):
            b[int(rng.integers(min(len(b), first)))] = int(rng.integers(256))
    elif how < .65:
        b = b[:int(rng.integers(len(b)))]
    elif how < .75 and len(b) > 44:
        at = int(pick(rng, [4, 16, 20, 22, 24, 28, 32, 34, 40]))
        b[at:at+4] = struct.pack('<I', int(pick(rng, [0, 1, 2**31-1, 2**31, 2**32-1, len(b)*2, 65535])))
    elif how < .8:
        b = b + b
    elif how < .9:
        b = bytearray(
            pick(
                rng,
                [
                    b'', b'<!DOCTYPE html><html>404', b'\0' * 5000, b'RIFF', b'\xff' * 999,
                    b'ID3\x04' + b'\x7f' * 600, b'fLaC' + b'\0' * 90, b'OggS' + b'\1' * 90],
            )
        )
    else:
        b[int(rng.integers(len(b))):int(rng.integers(len(b)))] = b''
    return b

STRANGE = [
    'größe',
    '録音' * 20,
    '🎙' * 60,
    '[/b]',
    '[bold]x',
    ':smile:',
    '\x1b[31mred',
    '\x1b]0;title\x07',
    '\u202egnp.',
    "a'b\"c",
    '$\\frac$',
    '-o',
    '--help',
    '*',
    '?[a]',
    'a\nb',
    'a\tb',
    '%s%n',
    '{0}',
    '..x',
    'x' * 240,
    '<script>alert(1)</script>',
    '&amp;',
    'a,b',
    'a;b',
    ' lead',
    'trail ',
    '=1+1',
    'NUL',
    'con',
    'e\u0301',
    '\ufeffx',
    '\u200b',
    '#',
    '~',
    'kept',
    '.',
]

def file_name(rng, suffix='.wav'):
    "A name that a file system takes, as bytes."
    raw = (
        pick(rng, STRANGE).replace('/', '\u2215').encode() if rng.random() < 0.7
        else bytes(int(b) for b in rng.integers(1, 256, int(rng.integers(1, 40))) if b != 47))
    raw = raw[:255-len(suffix)] or b'x'
    return (
        raw.decode('utf-8', 'ignore').encode() + suffix.encode() if rng.random() < 0.5
        else raw + suffix.encode())

# -- kinds of input
# ----------------------------------------------------------------------------------------------------------------------------------

def arrays(rng, here, world):
    x,rate = array(rng)
    name = pick(rng, ['bands','bands','unet','unet','selective','wiener','highpass','noisy'])
    s = system(world, name)
    door = pick(
        rng,
        [
            'enhance', 'enhance', 'enhance', 'extract', 'extract', 'mixer', 'detect', 'detect', 'metrics',
            'save', 'small'],
    )
    if door=='enhance':
        y = attempt(
            enhance,
            x,
            rate,
            s,
            **pick(
                rng,
                [
                    {}, {}, {}, dict(strength=0.5), dict(block=0.3), dict(strength=float('nan')),
                    dict(block=1e-9), dict(overlap=-1), dict(target='Nobody'), dict(precision='fp99'),
                    dict(block=1e300), dict(context=0.0)],
            ),
        )
        if y is not None:
            finite(y, x, f'enhance by {name}')
    elif door=='extract':
        y = attempt(
            extract,
            x,
            rate,
            system=s,
            detector=pick(rng, [None, None, BandDetector()]),
            **pick(
                rng,
                [
                    dict(keep='Speech'), dict(drop='Hum'), dict(gains=dict(Whistle=-12.0)),
                    dict(gains=dict(Hum=1e9)), dict(keep=[]), dict(keep='Speech', floor_db=-30.0),
                    dict(keep=3), dict(gains=dict(Hum='x')), dict(keep='x' * 5000)],
            ),
        )
        if y is not None:
            for part in y:
                finite(part, x, f'extract by {name}')
    elif door=='mixer':
        m = attempt(Mixer, x, rate, s, None, ['Speech'], progress=False)
        if m is not None:
            finite(m.render(), x, 'mixer')
    elif door in ('detect','small'):
        if door=='small' and 'small' not in _loaded:
            _loaded['small'] = load_detector(world/'small')
        e = attempt(
            detect, x, rate, _loaded['small'] if door == 'small' else BandDetector(),
            **pick(rng, [{}, {}, dict(threshold=0.5), dict(threshold=float('nan')), dict(threshold=7)]))
        if e is not None and not np.isfinite(e[['onset','offset','score']].to_numpy(float)).all():
            raise Finding('non-finite', 'detect')
    elif door=='metrics':
        f = pick(rng, [m.function for k in metric_names if not (m := metric_of(k)).parts and 'pesq' not in k])
        v = attempt(f, x, x if rng.random() < .3 else array(rng)[0], rate)
        if v is not None and np.isnan(v): raise Finding('non-finite', str(f))
    else:
        suffix = pick(rng, ['.wav','.flac','.ogg','.mp3','.opus','.aiff','.xyz',''])
        if (
            attempt(
                save_audio, here / f'o{suffix}', x, rate,
                **pick(rng, [{}, {}, dict(subtype='FLOAT'), dict(subtype='PCM_99')]))
            is not None
            or (here / f'o{suffix}').exists()
        ):
            if (y := attempt(load_audio, here / f'o{suffix}')) is not None and not np.isfinite(
                np.asarray(y[0])).all():
                raise Finding('non-finite', f'saved {suffix}')

def files(rng, here, world):
    folder = here/'in'
    folder.mkdir()
    made = [sound(rng, folder/f's{i}') for i in range(int(rng.integers(1, 3)))]
    for p in made:
        if rng.random() < .6:
            p.write_bytes(flip(rng, p.read_bytes()))
    extra = rng.random()
    if extra < .1:
        (folder/'self.wav').symlink_to('self.wav')
    elif extra < .2:
        (folder/'.left.tmp.wav').write_bytes(b'x')
        (folder/'deep').mkdir()
        (folder/'deep'/'.m.wav.part').write_bytes(b'x')
    elif extra < .25:
        (folder/'gone.wav').symlink_to('nowhere.wav')
    elif extra < .3:
        (folder/'folder.wav').mkdir()
    elif extra < .33:
        os.mkfifo(folder/'pipe.wav')
    what = pick(rng, [folder, folder, made[0], folder/'*', folder/'self.wav'])
    recordings_verb(rng, what, here, world)

def recordings_verb(rng, what, here, world):
    "One of the verbs for recordings on an input."
    some = [
        w
        for w, p in (
            (['--start', pick(rng, ['0', '.1', '1e305', '-1', 'nan'])], 0.1), (['--repair'], 0.3),
            (['--subtype', pick(rng, ['PCM_24', 'FLOAT', 'X'])], 0.1), (['--json', here / 'r.json'], 0.3))
        if rng.random() < p
    ]
    some = [w for part in some for w in part]
    do,debug = pick(rng, ['enhance']*4 + ['extract']*3 + ['detect']*3),rng.random() < .8
    if do=='enhance':
        verb(
            'enhance', what, '-o', here / 'out', '--system',
            pick(rng, ['noisy', 'highpass', 'wiener', world / 'unet']), *some, debug=debug)
    elif do=='extract':
        verb(
            'extract', what, '-o', here / 'out', '--system', world / 'unet', '--detector', 'none', '--keep',
            pick(rng, ['Speech', 'Hum', '[/b]']), *some, debug=debug)
    else:
        verb(
            'detect', what, '--detector', world / 'small', '-o', here / 'e.csv', '--labels', here / 'labels',
            *(w for w in some if '--s' not in str(w) and str(w) in ('--repair',)),
            *pick(rng, [[], ['--threshold', pick(rng, ['nan', '-1', '7', '.3'])]]), debug=debug)
    for p in here.rglob('out/**/*'):
        if (
            p.is_file() and not p.is_symlink() and p.suffix.lower() in ('.wav', '.flac')
            and not p.name.startswith('.') and not np.isfinite(sf.read(os.fsencode(p))[0]).all()):
            raise Finding('non-finite', str(p))

YAML = [
    'null', '[]', '{}', '3', '-1', '0', '1e400', '.nan', '.inf', '"x"', 'true', '[[[]]]',
    '99999999999999999999999', '2024-01-01', '!!python/object:os.system x', '*a', '&a [*a]', '"\\x1b[31m"',
    '0x10', '1_000', '~', '[1, 2]', '{a: b}', "'[/b]'"]

def parameters(rng, here, world):
    lines = (REPO/'params'/'smoke.yaml').read_text().splitlines()
    for _ in range(int(rng.integers(1, 4))):
        i = int(rng.integers(len(lines)))
        how = rng.random()
        if how < .5 and ':' in lines[i]:
            lines[i] = lines[i].split(':')[0] + ': ' + pick(rng, YAML)
        elif how < .6:
            lines.insert(i, pick(rng, lines))
        elif how < .7:
            lines[i] = ' '*int(rng.integers(5)) + lines[i].strip()
        elif how < .8:
            lines[i] = lines[i][:int(rng.integers(len(lines[i])+1))]
        elif how < .9:
            lines[i] = lines[i].replace('  ', '\t')
        else:
            lines[i] = pick(
                rng,
                [
                    '[' * 3000, '? [a]\n: b', '1: 2', '<<: 3', '---', '%YAML 9.9', '\u2028', 'seed: null',
                    'enhance:', 'score: 3', '"'],
            )
    data = '\n'.join(lines).encode()
    file = here/'p.yaml'
    file.write_bytes(flip(rng, data) if rng.random() < .2 else data)
    if rng.random() < .7:
        attempt(check_params, file)
    else:
        verb(
            'enhance', world / 'pairs' / 'noisy' / 'a.wav', '-o', here / 'out', '--system', 'noisy',
            '--params', file, debug=rng.random() < 0.5)

def names(rng, here, world):
    folder = here/'in'
    folder.mkdir()
    for _ in range(int(rng.integers(1, 4))):
        p = os.path.join(
            os.fsencode(folder), file_name(rng, pick(rng, ['.wav', '.wav', '.wav', '.flac', '.WAV'])))
        shutil.copy(os.fsencode(world/'pairs'/'noisy'/'a.wav'), p)
    recordings_verb(rng, folder, here, world)

def class_names(rng, here, world):
    words = list(dict.fromkeys(pick(rng, STRANGE) for _ in range(3)))
    classes = attempt(Vocabulary, words)
    if classes is None: return
    attempt(classes.save, here/'v.csv')
    back = attempt(Vocabulary.read, here/'v.csv')
    if back is not None and back!=classes:
        raise Finding('wrong result', f'{words!r} came back as {back.names!r}')
    shutil.copytree(world/'pairs'/'clean', here/'in')
    with open(here/'in'/'l.csv', 'w', encoding='utf-8', newline='') as f:
        import csv
        csv.writer(f).writerows([['file','label'], *[[p, pick(rng, words)] for p in ('a.wav','b.wav')]])
    verb(
        'doctor', here / 'in' / 'l.csv', '--vocabulary', here / 'v.csv', '-o', here / 'page',
        debug=rng.random() < 0.7)
    page = here/'page'/'index.html'
    if page.exists() and '<script>alert' in page.read_text(encoding='utf-8', errors='replace'):
        raise Finding('wrong result', 'a name is code in the page')
    attempt(extract, np.zeros(999), 16000, keep=words[0], system=band_system(), detector=None)

ODD = [
    None, True, -1, 0, 1e308, float('nan'), float('inf'), 10**30, '', 'x', [], [[]], {}, [None],
    {'x': {'y': [1]}}, 2, 0.5, 'a\nb', '../..', '[/b]', 64]

def tampered(rng, here, world):
    kind = pick(rng, ['unet','selective','small','anchors'])
    out = here/'copy'
    shutil.copytree(world/kind, out)
    for _ in range(int(rng.integers(1, 3))):
        file = pick(rng, sorted(p for p in out.rglob('*') if p.is_file()))
        if file.suffix=='.json' and rng.random() < .7:
            try:
                config = json.loads(file.read_bytes())
            except ValueError:
                continue   # changed before
            if not isinstance(config, dict) or not config: continue
            inner = [config, *[v for v in config.values() if isinstance(v, dict) and v]]
            block = pick(rng, inner)
            block[pick(rng, [*block, 'junk'])] = pick(rng, ODD)
            file.write_text(json.dumps(config))
        elif rng.random() < .1:
            file.unlink()
        else:
            file.write_bytes(flip(rng, file.read_bytes(), 400))
    if kind=='anchors': return use_anchors(rng, out, here)
    loaded = attempt(load_detector if kind=='small' else load_system, out)
    if loaded is None: return
    x = .1*np.random.default_rng(0).standard_normal(4000)
    if kind=='small': return attempt(detect, x, 16000, loaded)
    y = attempt(enhance, x, 16000, loaded)
    if y is not None:
        finite(y, x, 'a tampered system')

def use_anchors(rng, store, here):
    s = attempt(AnchorStore, store)
    if s is None: return
    wav = attempt(s.wav, 0) if len(s) else None
    if wav is not None and not np.isfinite(wav.numpy()).all(): raise Finding('non-finite', 'anchor')
    verb('mine', store, store/'vocabulary.csv', here/'mined', '--params', REPO/'params'/'smoke.yaml')
    verb('sound_types', store, here/'sound_types.csv', '--params', REPO/'params'/'smoke.yaml')

def tables(rng, here, world):
    shutil.copytree(world/'pairs'/'clean', here/'in')
    rows = [['file', 'label'], ['a.wav', 'Speech'], ['b.wav', 'Hum+Whistle']] + [['a.wav', 'Hum']] * int(
        rng.integers(2))
    sep = pick(rng, [',',',',',','\t',';','|'])
    lines = [sep.join(r) for r in rows]
    for _ in range(int(rng.integers(3))):
        i = int(rng.integers(len(lines)))
        lines[i] = pick(
            rng,
            [
                lines[i] + sep, lines[i] + sep + 'x', lines[i].split(sep)[0], '', sep * 3, '"' + lines[i],
                lines[i].replace('a', 'a\0'), lines[i] + '\r', 'sub\\' + lines[i], lines[i].upper(),
                f'{lines[i]}{"y" * 200000}', '../' + lines[i], '/etc/passwd' + sep + 'Speech'],
        )
    data = (
        pick(rng, ['\n', '\n', '\r\n', '\r']).join(lines)
        .encode(pick(rng, ['utf-8', 'utf-8', 'utf-8-sig', 'utf-16', 'latin-1'])))
    file = here/'in'/'l.csv'
    file.write_bytes(flip(rng, data) if rng.random() < .3 else data)
    door = pick(rng, ['labels','labels','doctor','vocabulary','audit','ontology'])
    if door=='labels':
        attempt(read_labels, file)
    elif door=='doctor':
        verb('doctor', file, '-o', here/'page', debug=rng.random() < .7)
    elif door=='vocabulary':
        attempt(Vocabulary.read, file)
    elif door=='audit':
        attempt(read_audit, file)
    else:
        nodes = [dict(id='a', name='A', child_ids=['b']), dict(id='b', name='B', child_ids=[])]
        pick(rng, nodes)[pick(rng, ['id','name','child_ids'])] = pick(rng, [*ODD, ['a'], 'b'])
        file.write_bytes(
            flip(rng, json.dumps(nodes).encode()) if rng.random() < 0.5 else json.dumps(nodes).encode())
        attempt(Ontology.read, file)

def aimed(rng, here, world):
    "Outputs that point at what is somebody else's, or at an input."
    shutil.copytree(world/'theirs', here/'theirs')
    shutil.copytree(world/'pairs', here/'pairs')
    (here/'link').symlink_to(here/'theirs')
    (here/'soft.wav').symlink_to(here/'pairs'/'noisy'/'a.wav')
    os.link(here/'pairs'/'noisy'/'a.wav', here/'hard.wav')
    (here/'loop').symlink_to(here/'loop')
    at = here / pick(
        rng,
        [
            'theirs', 'theirs/sub', 'link', 'pairs', 'pairs/noisy', 'pairs/clean', 'soft.wav', 'hard.wav',
            'loop', 'theirs/notes.md', 'theirs/data.json', 'theirs/events.csv', 'theirs/thesis.tex',
            'pairs/noisy/a.wav', 'link/sub', '.'],
    )
    before = snapshot(here)
    one = here/'pairs'/'noisy'
    do = [
        lambda: verb('enhance', one, '-o', at, '--system', 'noisy'),
        lambda: verb('enhance', here / 'pairs', '--pairs', '-o', at, '--system', 'noisy'),
        lambda: verb('enhance', here / 'soft.wav', '-o', at, '--system', 'highpass', '--overwrite'),
        lambda: verb('enhance', one, '-o', one, '--system', 'noisy', '--overwrite'),
        lambda: verb(
            'extract', one, '-o', at, '--system', world / 'unet', '--detector', 'none', '--keep', 'Speech'),
        lambda: verb('detect', one, '-o', at, '--detector', world / 'small'),
        lambda: verb('detect', one, '--labels', at, '--detector', world / 'small'),
        lambda: verb('enhance', one, '-o', here / 'new', '--json', at, '--system', 'noisy'),
        lambda: verb('sound_types', world / 'anchors', at, '--params', REPO / 'params' / 'smoke.yaml'),
        lambda: verb(
            'mine', world / 'anchors', world / 'anchors' / 'vocabulary.csv', at, '--params',
            REPO / 'params' / 'smoke.yaml'),
        lambda: verb(
            'mine', world / 'anchors', world / 'anchors' / 'vocabulary.csv', here / 'mined', '--json', at,
            '--params', REPO / 'params' / 'smoke.yaml'),
        lambda: verb('doctor', here / 'pairs' / 'l.csv', '-o', at),
        lambda: verb(
            'score', '--clean', here / 'pairs' / 'noisy', '--enhanced', here / 'pairs' / 'noisy', '--json',
            at, '--params', world / 'few.yaml'),
        lambda: attempt(save_audio, at, np.zeros(99), 16000),
        lambda: attempt(save_small, SmallDetector(NAMES, width=2), at),
        lambda: verb('compare', 'noisy', '--pairs', here / 'pairs', '--out', at),
    ]
    i = int(pick(rng, [n for n in range(len(do)) for _ in range(1 if n in (12, 15) else 6)]))
    pick(rng, [do[i]])()
    after = snapshot(here)
    changed = [os.fsdecode(k) for k,v in before.items() if after.get(k)!=v]
    if changed: raise Finding('foreign file touched', f'way {i}, at {at.name}: {changed[:3]}')

def full_disks(rng, here, world):
    "No file may become larger than a drawn size."
    shutil.copytree(world/'pairs'/'noisy', here/'in')
    soft,hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (int(pick(rng, [0, 1, 44, 100, 1000, 5000, 12000, 15999])), hard))
    try:
        recordings_verb(rng, here/'in', here, world)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

def child(*words):
    "A verb in a forked process: its number."
    pid = os.fork()
    if pid: return pid
    code = 70
    try:
        for s in (signal.SIGINT, signal.SIGTERM):
            signal.signal(s, signal.default_int_handler if s==signal.SIGINT else signal.SIG_DFL)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(os.open('child.txt', os.O_WRONLY|os.O_CREAT|os.O_APPEND), 2)
        sys.argv = ['weakse', *map(str, words)]
        main()
        code = 0
    except SystemExit as e:
        code = e.code if isinstance(e.code, int) else 0 if e.code is None else 1
    except BaseException:
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)

def ended(pid):
    "The exit code of a child, or minus its signal."
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def told(here):
    return (here/'child.txt').read_text(errors='replace') if (here/'child.txt').exists() else ''

def outputs(folder):
    "What a run made: path -> hash."
    return {k[len(os.fsencode(folder)):]:v for k,v in snapshot(folder).items()}

def _long_inputs(rng, here, seconds):
    (here/'in').mkdir()
    for name in 'abc':
        sf.write(here/'in'/f'{name}.wav', tone(rng, 16000, 1, round(16000*seconds)), 16000)

def two_writers(rng, here, world):
    "Two processes write the same output: it is one of theirs, whole."
    _long_inputs(rng, here, float(pick(rng, [1, 5, 20])))
    os.chdir(here)
    ways = [['--system', 'highpass'], ['--system', pick(rng, ['highpass', world/'unet'])]]
    if rng.random() < .5:
        ways[1] += ['--strength', '.5']
    words = [['enhance', here/'in', '-o', here/'out', '--overwrite', *w] for w in ways]
    alone = []
    for i,w in enumerate(ways):
        ended(child('enhance', here/'in', '-o', here/f'alone{i}', *w))
        alone.append(outputs(here/f'alone{i}'))
    first = child(*words[0])
    time.sleep(rng.random()*.1)
    codes = ended(child(*words[1])),ended(first)
    if min(codes) < 0: raise Finding('crash', f'{codes}')
    if 'Traceback' in told(here): raise Finding('traceback', told(here)[-600:])
    for k,v in outputs(here/'out').items():
        if k.endswith(b'.wav') and v not in [a.get(k) for a in alone]:
            raise Finding('wrong result', f'{os.fsdecode(k)} is of neither run {codes}')

def signals(rng, here, world):
    "A signal at a random moment; run again, it is as if nothing had been."
    _long_inputs(rng, here, float(pick(rng, [2, 10, 40])))
    os.chdir(here)
    which = pick(rng, ['enhance','extract','detect'])
    words = dict(
        enhance=['enhance', here / 'in', '--system', world / 'unet', '-o'],
        extract=[
            'extract', here / 'in', '--system', world / 'unet', '--detector', 'none', '--keep', 'Speech',
            '-o',
        ],
        detect=['detect', here / 'in', '--detector', world / 'small', '--labels'],
    )[which]
    again = ['--overwrite'] if which=='detect' else [pick(rng, ['--resume','--overwrite'])]
    start = time.perf_counter()
    ended(child(*words, here/'alone'))
    took = time.perf_counter() - start
    pid = child(*words, here/'out')
    time.sleep(rng.random()*took)
    kind = pick(rng, [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
    os.kill(pid, kind)
    code = ended(pid)
    if code < 0 and -code!=kind: raise Finding('crash', f'{which} ended by {-code} after signal {kind}')
    if 'Traceback' in told(here):
        raise Finding('traceback', f'{which} after {kind.name}: {told(here)[-700:]}')
    if (code := ended(child(*words, here/'out', *again))):
        raise Finding(
            'wrong result', f'{which} again after {kind.name}: exit code {code}, {told(here)[-300:]}')
    want,got = outputs(here/'alone'),outputs(here/'out')
    if leftovers(here/'out'):
        raise Finding('left over', f'{which} {again} after {kind.name}: {sorted(leftovers(here/"out"))[:3]}')
    if want!=got:
        raise Finding(
            'wrong result',
            f'{which} {again} after {kind.name}: {sorted(set(want.items()) ^ set(got.items()))[:3]}')

def commands(rng, here, world):
    "The command itself."
    path,busy = sound(rng, here/'s'),socket.socket()
    busy.bind(('127.0.0.1', 0))
    busy.listen()
    if rng.random() < .5:
        path.write_bytes(flip(rng, path.read_bytes()))
    words = pick(
        rng,
        [
            ['enhance', path, '-o', here / 'out', '--system', 'highpass'],
            ['detect', path, '--detector', world / 'small'],
            ['enhance', '-', '-o', here / 'out', '--system', 'noisy'],
            ['app', '--port', pick(rng, ['-1', '70000', str(busy.getsockname()[1]), 'x'])],
            ['train', '--dry-run', '--params', here / 'p.yaml'],
            ['score', '--clean', here, '--enhanced', here], [pick(rng, STRANGE)]],
    )
    env = {**os.environ, 'PYTHONPATH':str(REPO), 'PYTHONIOENCODING':pick(rng, ['utf-8','cp1252','ascii'])}
    words = [str(w).replace('\0', '') for w in words]
    try:
        done = subprocess.run(
            [sys.executable, '-c', 'from weakse.cli.main import main; main()', *words], cwd=here, env=env,
            stdin=path.open('rb'), capture_output=True, timeout=LIMIT - 5)
    except subprocess.TimeoutExpired:
        raise Finding('hang', ' '.join(words)) from None
    finally:
        busy.close()
    said = (done.stdout+done.stderr).decode(errors='replace')
    if done.returncode < 0: raise Finding('crash', f'{words}: signal {-done.returncode}')
    if 'Traceback' in said or done.returncode not in (0, 1, 2):
        raise Finding('traceback', f'{words}: {done.returncode} {said[-500:]}')

def app_door(rng, here, world):
    attempt(free_port, pick(rng, [0, -1, 65536, 70000, 1, 22, 10**9]))
    attempt(
        write_page,
        here / 'page.ipynb',
        pick(rng, ['.', here, here / 'nowhere', "a'b", '\\', '"""']),
        pick(rng, ['light', 'auto', 'x']),
    )

KINDS = [
    ('arrays', arrays, 640), ('files', files, 420), ('parameters', parameters, 200), ('names', names, 150),
    ('class names', class_names, 40), ('tampered', tampered, 220), ('tables', tables, 120),
    ('aimed outputs', aimed, 100), ('full disks', full_disks, 50), ('two writers', two_writers, 14),
    ('signals', signals, 26), ('commands', commands, 8), ('app', app_door, 12)]

def kind_of(rng): # name and function of the kind that a case is of
    weights = np.array([w for _,_,w in KINDS], float)
    return KINDS[int(rng.choice(len(KINDS), p=weights/weights.sum()))]

# -- running
# -----------------------------------------------------------------------------------------------------------------------------------------

def run_case(seed, case, world):
    "Run one case; name of its kind, and a finding (its kind and text) or None."
    rng = np.random.default_rng([seed, case])
    name,f,_ = kind_of(rng)
    before,back = snapshot(world),os.getcwd()
    try:
        with (
            tempfile.TemporaryDirectory(prefix='fuzz-', ignore_cleanup_errors=True) as d,
            warnings.catch_warnings()):
            warnings.simplefilter('ignore')
            os.chdir(d)
            here = Path(d)/'here'
            here.mkdir()
            try:
                f(rng, here, world)
            except Finding as e:
                return name,e.args
            except Exception as e:
                return name, (
                    'traceback',
                    f'{type(e).__name__}: {e} at '
                    + ' < '.join(
                        f'{Path(t.filename).name}:{t.lineno}'
                        for t in traceback.extract_tb(e.__traceback__)[::-1][:9]),
                )
            finally:
                os.chdir(back)
            left = [os.path.basename(p) for p in leftovers(here) if b'/in/' not in p and b'/copy/' not in p]
            if left: return name,('left over', f'{left[:3]}')
            outside = [p for p in os.listdir(d) if p!='here']
            if outside: return name,('foreign file touched', f'made outside: {outside[:3]}')
        if snapshot(world)!=before: return name,('foreign file touched', 'in the world')
    finally:
        os.chdir(back)
    return name,None

def _work(seed, cases, world, pipe):
    "The worker: says which case begins and how it ended."
    torch.set_num_threads(1)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.stdin = io.TextIOWrapper(io.BytesIO())
    for case in cases:
        pipe.send(('begin', case, kind_of(np.random.default_rng([seed, case]))[0]))
        pipe.send(('end', case, run_case(seed, case, world)))
    pipe.send(('done', None, None))

def _waited(pid):
    "s for which a process and its children were ready to go on and had no core, where the system counts that."
    try:
        own = int(Path(f'/proc/{pid}/schedstat').read_text().split()[1])*1e-9
        return own + sum(map(_waited, Path(f'/proc/{pid}/task/{pid}/children').read_text().split()))
    except (OSError, ValueError, IndexError):
        return 0.

def answers(pipe, pid, most=30):
    "Does a worker say something within LIMIT seconds, without those in which a busy machine gave it no core?"
    for _ in range(most):
        before = _waited(pid)
        if pipe.poll(LIMIT): return True
        if _waited(pid)-before < LIMIT/2: return False
    return False

def _follow(seed, cases, world):
    "Run cases in one worker until it ends: yields (case, kind, finding)."
    ours,theirs = multiprocessing.Pipe(False)
    worker = multiprocessing.get_context('fork').Process(target=_work, args=(seed, cases, world, theirs))
    worker.start()
    theirs.close()
    case,kind = None,''
    try:
        while True:
            if not answers(ours, worker.pid):
                yield case,kind,('hang', f'more than {LIMIT} s')
                return
            event,n,what = ours.recv()
            if event=='done': return
            if event=='begin':
                case,kind = n,what
            else:
                yield n,*what
    except EOFError:
        worker.join()
        yield case,kind,('crash', f'exit code {worker.exitcode}')
    finally:
        if worker.is_alive():
            worker.kill()
        worker.join()

def fuzz(
    seed:int,   # of all draws
    cases,      # numbers of the cases
    tell=print, # gets a line for each finding
)->tuple:       # counts by kind of input, and findings: a list of (case, kind of input, kind of finding, text)
    "Run cases. A worker that a case ends is started again after it."
    counts = Counter()
    found = []
    left = list(cases)
    with tempfile.TemporaryDirectory(prefix='fuzz-world-') as d:
        build_world(Path(d))
        while left:
            case = None
            for case,kind,finding in _follow(seed, left, Path(d)):
                counts[kind] += 1
                if finding:
                    found.append((case, kind, *finding))
                    tell(f"SEED={seed} CASE={case} {kind}: {finding[0]}: {finding[1]}")
            left = left[left.index(case)+1:] if case is not None else []
    return counts,found

def report(counts, found):
    "The closing lines."
    of = Counter(f[2] for f in found)
    print(f"{sum(counts.values())} inputs tried: " + ', '.join(f'{k} {n}' for k,n in sorted(counts.items())))
    print(', '.join(f'{k} {of[k]}' for k in FINDINGS))

if __name__=='__main__':
    parser = argparse.ArgumentParser()
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--n', type=int, default=2000)
    parser.add_argument('--case', type=int)
    args = parser.parse_args()
    counts, found = fuzz(
        args.seed, range(args.n) if args.case is None else [args.case], lambda line: print(line, flush=True))
    report(counts, found)
    sys.exit(bool(found))
