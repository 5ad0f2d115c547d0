"""Millions of clips: the same store from every backend, nothing lost and nothing done twice, whatever is killed."""
import hashlib, multiprocessing, os, resource, signal, time
from functools import partial
from pathlib import Path
import numpy as np, pandas as pd, pytest, soundfile as sf, torch
from doubles import BANDS, BandDetector
from weakse.core.labels import Vocabulary
from weakse.core.parallel import pmap
from weakse.corpora.corpus import Corpus
from weakse.mining import detection
from weakse.mining.anchor_store import read_anchors
from weakse.mining.detection import detect_anchors

pytestmark = pytest.mark.scale
N, RATE = 24, 16000
posix = pytest.mark.skipif(os.name!='posix', reason="forks and kills")

@pytest.fixture(scope='module')
def corpus(tmp_path_factory):
    "24 clips of a second and a half, each with two of three classes."
    folder = tmp_path_factory.mktemp('corpus')
    (folder/'audio').mkdir()
    rng,names = np.random.default_rng(0),list(BANDS)
    rows = []
    for i in range(N):
        t = np.arange(round((1.2 + .02*i)*RATE))/RATE
        x = .1*rng.normal(size=len(t))*(t > .4) + .2*np.sin(2*np.pi*(120 + 40*i)*t)*(t < .7)
        sf.write(folder/'audio'/f'{i:02d}.wav', x, RATE)
        rows.append((f'{i:02d}.wav', [names[i % 3], names[(i + 1) % 3]], 'train', len(t)/RATE))
    table = pd.DataFrame(rows, columns=['file', 'labels', 'split', 'seconds'])
    Corpus(folder, table, Vocabulary(names), RATE).save()
    return folder

class Ears(BandDetector):
    "Writes down which process heard a mini-batch."
    def __init__(self, log):
        self.log = str(log)
    def framewise(self, wav):
        with open(self.log, 'a') as file:
            file.write(f'{os.getpid()}\n')
        return super().framewise(wav)
    def tags(self, wav):
        return super().framewise(wav).amax(1)

def made(corpus, out, detector=None, **how):
    "A store of twelve shards."
    return detect_anchors(
        corpus, detector or BandDetector(), out, seconds=.5, min_level_db=None, batch_size=2, shard_clips=2,
        progress=False, **dict(backend='serial') | how)

def waiting(out):
    "The folder in which a stopped run's shards wait."
    found, = out.parent.glob(f'.{out.name}.unfinished-*')
    return found

def same(a, b):
    "Have two stores the same bytes in every file, but for the plan, which knows the detector?"
    def files(folder):
        return {
            p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
            for p in Path(folder).rglob('*') if p.is_file() and p.name!='plan.json'}
    assert files(a)==files(b)

@pytest.fixture(scope='module')
def truth(corpus, tmp_path_factory):
    "The store that one process makes."
    return made(corpus, tmp_path_factory.mktemp('truth')/'anchors')

def test_processes_make_the_same_store(corpus, truth, tmp_path):
    made(corpus, tmp_path/'a', Ears(tmp_path/'log'), backend='process')
    same(truth.folder, tmp_path/'a')
    heard = {line.split()[0] for line in (tmp_path/'log').read_text().splitlines()}
    assert len(heard - {str(os.getpid())})==2

def test_the_size_of_a_shard_changes_no_place_and_no_sample(corpus, truth, tmp_path):
    whole = detect_anchors(
        corpus, BandDetector(), tmp_path/'a', seconds=.5, min_level_db=None, batch_size=2, progress=False)
    assert len(whole.info['shards'])==1 and whole.table.equals(truth.table)
    assert np.array_equal(whole.audio, truth.audio) and np.allclose(whole.tags, truth.tags, atol=2e-3)

def read_some(folder, seed):
    store = read_anchors(folder)
    at = np.random.default_rng(seed).integers(len(store), size=20)
    return hashlib.sha256(store.wav(at).numpy().tobytes() + store.tags[at].tobytes()).hexdigest()

def test_several_processes_read_at_random(truth):
    read = partial(read_some, truth.folder)
    assert pmap(read, range(8), backend='process')==[read(i) for i in range(8)]

# -- killed, and a full disk: in a child process, at a moment that is chosen ---------------------------------

def _dies(at, corpus, out, moment):
    "Make a store, and be killed when something is done for the n-th time."
    import weakse.mining.anchor_shards as shards, weakse.mining.detection as detection
    module,name = dict(
        bytes=(shards, '_bytes_of'), report=(shards, 'write_json'), close=(detection, 'write_index'),
        name=(detection, 'put_in_place'))[moment]
    f,seen = getattr(module, name),[]
    def killed(*args, **how):
        seen.append(1)
        if len(seen) > at: os.kill(os.getpid(), signal.SIGKILL)
        return f(*args, **how)
    setattr(module, name, killed)
    made(corpus, out)

def child(f, *args):
    "The exit code of a fork that runs a function."
    process = multiprocessing.get_context('fork').Process(target=f, args=args)
    process.start()
    process.join(120)
    return process.exitcode

@posix
@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
@pytest.mark.parametrize('moment,at', [('bytes', 0), ('bytes', 7), ('report', 5), ('close', 0), ('name', 0)])
def test_killed_and_called_again(corpus, truth, tmp_path, moment, at):
    assert child(_dies, at, corpus, tmp_path/'a', moment)==-signal.SIGKILL
    assert not (tmp_path/'a').exists()
    work = waiting(tmp_path/'a')
    before = {p.name: p.stat().st_mtime_ns for p in work.glob('shards/*.json')}
    made(corpus, tmp_path/'a')
    same(truth.folder, tmp_path/'a')
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path/'a').glob('shards/*.json')}
    assert before.items() <= after.items() and not work.exists()        # finished shards are as they were
    assert not list((tmp_path/'a').rglob('.weakse-*'))                  # and nothing half-written is left

def _full(corpus, out, said):
    "Make a store on a disk on which no file may have more than some bytes."
    resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
    try:
        made(corpus, out)
    except OSError as e:
        os.write(said, f'{e}'.encode())

@posix
@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
def test_a_full_disk_is_one_line_and_no_loss(corpus, truth, tmp_path):
    ours,theirs = os.pipe()
    assert child(_full, corpus, tmp_path/'a', theirs)==0
    said = os.read(ours, 10000).decode()
    assert 'the disk is full' in said and 'choose another folder' in said and '\n' not in said, said
    assert not [p for p in (waiting(tmp_path/'a')/'shards').iterdir()]
    made(corpus, tmp_path/'a')
    same(truth.folder, tmp_path/'a')

def test_a_damaged_shard_is_made_anew_and_the_others_kept(corpus, truth, tmp_path, monkeypatch):
    class Stops(BandDetector):
        heard = 0
        def framewise(self, wav):
            Stops.heard += 1
            if Stops.heard==8: raise KeyboardInterrupt
            return super().framewise(wav)
    Stops.__module__,Stops.__qualname__ = BandDetector.__module__,BandDetector.__qualname__
    with pytest.raises(KeyboardInterrupt):
        made(corpus, tmp_path/'a', Stops())
    shard = waiting(tmp_path/'a')/'shards'/'00002.npy'
    shard.write_bytes(shard.read_bytes()[:-1] + b'?')
    said = []
    monkeypatch.setattr(detection.logger, 'warning', said.append)
    made(corpus, tmp_path/'a')
    same(truth.folder, tmp_path/'a')
    assert len(said)==1 and said[0].startswith('shard 2 is made anew') and 'check sum' in said[0]

def test_other_settings_start_over_and_nothing_is_lost(corpus, truth, tmp_path, monkeypatch):
    """As `dvc repro` meets it: detection was killed, a parameter is changed, the stage runs. It says in one line what
    differs, and the shards of the first are found again where the parameter comes back."""
    said = []
    monkeypatch.setattr(detection.logger, 'warning', said.append)
    assert child(_dies, 5, corpus, tmp_path/'a', 'report')==-signal.SIGKILL
    first = waiting(tmp_path/'a')
    before = {p.name: p.stat().st_mtime_ns for p in first.glob('shards/*.json')}
    other = made(corpus, tmp_path/'a', min_area=.01)
    assert len(before)==5 and other.info['dropped_uncertain']==0 and first.is_dir()
    line, = said
    assert line.startswith(f'{first} has 5 of 12 shards of a run whose min_area differed: detection starts over')
    assert line.endswith('remove that folder if there will be none') and '\n' not in line
    made(corpus, tmp_path/'a')
    same(truth.folder, tmp_path/'a')
    after = {p.name: p.stat().st_mtime_ns for p in (tmp_path/'a').glob('shards/*.json')}
    assert before.items() <= after.items() and len(said)==1 and not first.exists()

def test_a_damaged_clip_is_a_row(corpus, tmp_path):
    import shutil
    shutil.copytree(corpus, tmp_path/'c')
    (tmp_path/'c'/'audio'/'05.wav').write_bytes(b'RIFF but no more')
    (tmp_path/'c'/'audio'/'06.wav').unlink()
    store = made(tmp_path/'c', tmp_path/'a')
    assert len(store)==2*(N - 2) and store.info['failed']==2
    rows = pd.read_csv(tmp_path/'a'/'failed.csv')
    assert rows.file.tolist()==['05.wav', '06.wav'] and rows.reason.str.len().gt(10).all()

# -- memory -------------------------------------------------------------------------------------------------

class Noise:
    "Clips of half a second with fifty labels; no file is read."
    sample_rate,vocabulary = 8000,Vocabulary([f'c{i}' for i in range(50)])
    def __init__(self, n):
        self.table = pd.DataFrame(dict(file=[f'{i}.wav' for i in range(n)], split='train', seconds=.5))
    def __len__(self):
        return len(self.table)
    def targets(self):
        return np.broadcast_to(np.float32(1), (len(self), 50))
    def load(self, i):
        return torch.from_numpy(np.random.default_rng(i).normal(size=4000).astype(np.float32))

class Loudness:
    "One frame in ten is loud."
    sample_rate,hop,vocabulary = 8000,.05,Noise.vocabulary
    def framewise(self, wav):
        return wav.unfold(-1, 400, 400).square().mean(-1)[..., None].expand(-1, -1, 50)/4
    def tags(self, wav):
        return self.framewise(wav).amax(1)

def peak(n, out, said):
    "Write to a pipe how much memory a run over `n` clips takes at most, beyond what it began with, in bytes."
    begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    detect_anchors(Noise(n), Loudness(), out, seconds=.1, progress=False, min_level_db=None, shard_clips=32)
    os.write(said, f'{1024*(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begun)}'.encode())

@posix
@pytest.mark.filterwarnings('ignore:.*fork.*:DeprecationWarning')
def test_memory_does_not_grow_with_the_audio(tmp_path):
    "A hundred thousand anchors, and five thousand."
    grown = []
    for n in (100, 2000):
        ours,theirs = os.pipe()
        assert child(peak, n, tmp_path/str(n), theirs)==0
        grown.append(int(os.read(ours, 99)))
    as_floats = 4*1900*50*800
    print(grown, as_floats)
    assert grown[1] - grown[0] < as_floats/4, (grown, as_floats)

# -- raw input of many gigabytes ---------------------------------------------------------------------------

def test_recordings_are_linked_into_a_run_and_copied_nowhere(tmp_path):
    from weakse.cli.runs import dvc_repro, run_folder
    theirs = tmp_path/'theirs'
    theirs.mkdir()
    (theirs/'big.wav').write_bytes(os.urandom(3_000_000))
    for name in ('weakse', 'params'):
        (tmp_path/name).mkdir()
    (tmp_path/'dvc.yaml').write_text(
        'stages:\n  corpus: {cmd: "ls data/ > list.txt", deps: [data], outs: [list.txt]}\n')
    (tmp_path/'params.yaml').write_text('seed: 0\n')
    (tmp_path/'params'/'own.yaml').write_text('seed: 1\ndata: theirs\n')
    run = run_folder(tmp_path/'params'/'own.yaml', tmp_path)
    dvc_repro(run, 'corpus')
    assert (run/'list.txt').read_text()=='big.wav\n'
    (theirs/'small.wav').write_bytes(b'more')
    dvc_repro(run, 'corpus')                               # what the link leads to has changed
    assert (run/'list.txt').read_text()=='big.wav\nsmall.wav\n'
    everywhere = sum(p.lstat().st_size for p in tmp_path.rglob('*') if p.is_file() and not p.is_symlink())
    assert everywhere < 4_000_000, everywhere
