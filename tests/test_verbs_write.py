"""Every verb that writes, on tiny data and traced: it touches its own outputs alone, and destroys nothing
where it is aimed at what is not weakse's."""
import csv, dataclasses, functools, hashlib, io, json, os, pickle, shutil, sys, tarfile, tempfile, threading, time
import types, urllib.parse, zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
import matplotlib, numpy as np, pandas as pd, pytest, soundfile as sf
from commands import made_once
from typer.testing import CliRunner
import weakse.corpora.audioset_clips, weakse.corpora.audioset_lists
import weakse.core.fetch, weakse.core.parallel, weakse.corpora.debian_fetch, weakse.corpora.downloads
import weakse.corpora.voicebank, weakse.mining.mine
from weakse.core.audio import save_audio
from weakse.cli.main import app
from weakse.detectors import efficientat
from weakse.core.labels import audioset_vocabulary

PARAMS = """
seed: 0
corpus: {n_clips: 40, n_pairs: 4, n_dev_pairs: 2, seconds: 3.0, voices: 4, speech_source: formant, n_workers: 1, progress: false}
tagger: {steps: 2, batch_size: 2, width: 4, seconds: 2.0, progress: false}
anchors: {seconds: 1.0, min_level_db: -90.0, progress: false}
mine: {n_batches: 10, threshold_scale: 9.0, labels: clip}
train: {width: 0.03125, depth: 2, n_fft: 128, hop_length: 64, steps: 1, batch_size: 2}
mine_kong: {n_batches: 10, threshold_scale: 9.0, labels: none}
kong: {width: 0.03125, depth: 2, n_fft: 128, hop_length: 64, steps: 1, batch_size: 2, use: {condition: one_hot}}
paired: {n_pairs: 2, voices: 4, speech_source: formant, n_workers: 1, progress: false}
segan: {width: 0.03125, steps: 1, batch_size: 1, valid_share: 0.0, valid_every: 1, progress: false}
table1: {}
score: {n_workers: 1, progress: false}
figures: {n_candidates: 1, seconds: 1.0, width: 200, progress: false}
ablate: {variants: [], seeds: [0], steps: 1, width: 0.03125, batch_size: 2, n_pairs: 1, progress: false}
additive: {seeds: [0], steps: 1, batch_size: 2, n_pairs: 1, progress: false}
sound_types: {min_anchors: 1, transient: 0.5, stationary: 0.45, dev_share: 0.0}
joint: {width: 0.03125, depth: 2, n_fft: 128, hop_length: 64, n_embed: 4, steps: 1, batch_size: 1, n_references: 1, progress: false}
scenes: {n_scenes: 4, n_dev_scenes: 4, seconds: 1.0, n_workers: 1, progress: false}
selective: {snrs: [5.0], extra_snrs: [5.0], n_samples: 1, n_workers: 1, progress: false}
listen: {n_scenes: 1, n_workers: 1, progress: false}
"""

# verb -> its words, in the order in which one needs what another made. An output begins with its kind:
# @folder (made anew), @file, @table (.json and .md),
# @into (files of its own names into a folder), @beside (files of the inputs' names into a folder)
CASES = dict(
    code="code package @folder:codes",
    corpus="corpus data @into:c --truth @into:truth --pairs @into:pairs --dev-pairs @into:pairs_dev",
    tagger="tagger c @folder:tagger --json @file:r/tagger.json",
    anchors="detect c --detector tagger --anchors @folder:anchors",
    mine="mine anchors tagger/vocabulary.csv @into:mined --truth truth --json @file:r/mine.json",
    train="train anchors mined @into:unet --json @file:r/unet.json", paired="paired data @into:paired",
    train_paired="train_paired segan paired @into:segan --json @file:r/segan.json",
    pairs="enhance pairs --pairs --system noisy --out @folder:noisy",
    enhance="enhance one.wav --system highpass --out @beside:enhanced --json @file:r/enhance.json",
    extract="extract one.wav --system unet --detector none --keep Speech --out @beside:extracted --json "
            "@file:r/extract.json",
    detect="detect one.wav --detector tagger --out @file:r/events.csv --labels @beside:labels --json "
           "@file:r/detect.json",
    doctor="doctor c --out @into:doctor",
    score="score --clean pairs/clean --enhanced noisy --json @file:scores/noisy.json",
    compare="compare noisy --pairs pairs --out @table:r/compare.json",
    heard="heard c noisy --detector tagger --out @file:r/heard.json",
    table1="table1 scores/noisy.json @file:r/table1.json @file:r/table1.md",
    metrics="metrics r/table1.json @file:r/metrics.json",
    figures="figures c tagger pairs noisy @into:figures",
    ablate="ablate c tagger anchors truth pairs_dev @table:r/ablation.json",
    additive="additive c tagger anchors truth pairs_dev @table:r/additive.json",
    sound_types="sound_types anchors @file:sound_types.csv", scenes="scenes data c classes.csv @folder:scenes --dev @folder:scenes_dev --hashes @file:r/scenes.json",
    train_selective="train_selective anchors classes.csv @into:joint --hashes r/scenes.json --json @file:r/joint.json",
    selective="selective scenes classes.csv joint @folder:selective @table:r/selective.json",
    listen="listen r/selective.json selective scenes @folder:heard",
    listen_table1="listen --pairs pairs --scores scores noisy @folder:listen_table1")
# verb -> its words, and what it writes beside its words' outputs: `@edit` is somebody's own file, of which a
# part is ours
CASES |= dict(
    report="report --readme @edit:README.md @edit:nbs/index.ipynb",
    repro="repro hello --params trial.yaml @run:runs/trial",
    combine="combine seed_0 seed_1 --out @table:r/combined.json",
    trials="trials --candidates candidates.yaml --params tried.yaml --out @table:r/trials.json @run:runs/tried",
    app="app --no-browser",
    models="models", pack="pack unet boxed --card card.yaml --box box @cache:box",
    new="new @folder:mine --labels own.csv --sounds c",
    efficientat="fetch efficientat @cache:cache/weakse",
    panns="fetch panns @cache:cache/weakse",
    voicebank="fetch voicebank @folder:voicebank @cache:cache/weakse @folder:voicebank.part",
    audioset="fetch audioset @into:audioset --limit 1",
    esc50="fetch esc50 @into:esc @cache:cache/weakse",
    urbansound8k="fetch urbansound8k @into:urban @cache:cache/weakse",
    speechocean762="fetch speechocean762 @into:ocean @cache:cache/weakse",
    debian="fetch debian @into:debian @cache:cache/weakse")
SAID = 'edit','run','cache'   # kinds of output that are no word of the verb

_hashes = {}   # path, inode, size and times of a file -> its hash: who writes to it changes its times
def hashed(path):
    "The hash of a file that no verb has just begun to write."
    s = os.stat(path)
    key = path,s.st_ino,s.st_size,s.st_mtime_ns,s.st_ctime_ns
    if key not in _hashes: _hashes[key] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return _hashes[key]

def tree(folder):
    "Relative path -> hash of every file below a folder."
    files = sorted(os.path.join(at, name) for at,_,names in os.walk(folder) for name in names)
    return {os.path.relpath(p, folder): hashed(p) for p in files if os.path.isfile(p)}

_touched,_opened = None,[]
# event -> places of the paths among its arguments, and of the folder that each is relative to
_changing = {
    'os.rename': ((0, 2), (1, 3)), 'os.remove': ((0, 1),), 'os.rmdir': ((0, 1),), 'os.mkdir': ((0, 2),),
    'os.truncate': ((0, None),), 'os.link': ((1, 3),), 'os.symlink': ((1, 2),), 'shutil.rmtree': ((0, None),)}
def _heard(event, args):
    "Remember every path that is opened for writing, renamed, made or removed while somebody listens."
    if _touched is None: return
    if event in ('open','os.listdir','os.scandir') and isinstance(args[0], (str, bytes)):
        _opened.append(os.fsdecode(args[0]))
    if event=='open' and isinstance(args[0], (str, bytes)) and (args[2] or 0) & (os.O_WRONLY|os.O_RDWR):
        _touched.append(os.fsdecode(args[0]))
    for i,at in _changing.get(event, ()):
        if not isinstance(args[i], (str, bytes, os.PathLike)): continue
        below = at is not None and len(args) > at and isinstance(args[at], int) and args[at] >= 0
        _touched.append(
            os.path.join(os.readlink(f'/proc/self/fd/{args[at]}') if below else '', os.fsdecode(args[i])))
sys.addaudithook(_heard)

class Heard(sf.SoundFile):
    "A sound file that is opened by libsndfile, which Python's audit does not see."
    def __init__(self, file, *args, **kwargs):
        if isinstance(file, (str, bytes, os.PathLike)): _opened.append(os.fsdecode(file))
        super().__init__(file, *args, **kwargs)

def traced(f):
    "What `f` gives, and the absolute paths that it touched and that it opened, to write, to read or to list."
    global _touched
    _touched = []
    _opened.clear()
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sf, 'SoundFile', Heard)
            return f(),[os.path.abspath(p) for p in _touched],[os.path.abspath(p) for p in _opened]
    finally:
        _touched = None

def outputs(case):
    "`(kind, path)` of every output of a case."
    return [tuple(w[1:].split(':')) for w in CASES[case].split() if w.startswith('@')]

def words(case, **instead):
    "The words of a case; `instead`: other paths for some outputs."
    given = [
        w for w in CASES[case].split()
        if not w.startswith(tuple(f'@{kind}:' for kind in SAID)) and not w.endswith('.part')]
    return [(instead.get(w.split(':')[1], w.split(':')[1]) if w.startswith('@') else w) for w in given]

def files_of(kind, path):
    return [path, str(Path(path).with_suffix('.md'))] if kind=='table' else [path]

def collections(rng):
    "One clip of each collection in an archive of the published shape."
    wav = io.BytesIO()
    sf.write(wav, .1*rng.standard_normal(8000), 16000, format='WAV')
    files = dict(
        esc={'meta/esc50.csv': b'filename,fold,category,esc10\n1-7-A-0.wav,1,dog,True\n', 'audio/1-7-A-0.wav': wav.getvalue()},
        urban={
            'metadata/UrbanSound8K.csv': b'slice_file_name,fold,class\n7-3-0-0.wav,1,dog_bark\n',
            'audio/fold1/7-3-0-0.wav': wav.getvalue()},
        ocean={'WAVE/SPEAKER0001/000010011.WAV': wav.getvalue()})
    def packed(of):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode='w:gz') as t:
            for name,content in files[of].items():
                info = tarfile.TarInfo(f'{of}/{name}')
                info.size = len(content)
                t.addfile(info, io.BytesIO(content))
        return out.getvalue()
    esc,urban = io.BytesIO(),packed('urban')
    with zipfile.ZipFile(esc, 'w') as z:
        for name,content in files['esc'].items():
            z.writestr(f'ESC-50-master/{name}', content)
    facts = dict(key='UrbanSound8K.tar.gz', size=len(urban), checksum=f'md5:{hashlib.md5(urban).hexdigest()}')
    return {
        'github.com/karoldvl/ESC-50/archive/master.zip': esc.getvalue(),
        'www.openslr.org/resources/101/speechocean762.tar.gz': packed('ocean'),
        'zenodo.org/api/records/1203745': json.dumps(dict(title='UrbanSound8K', files=[facts])).encode(),
        'zenodo.org/records/1203745/files/UrbanSound8K.tar.gz': urban}

def package():
    "A Debian package with one letter spoken in French."
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode='w:xz') as tar:
        for name in ('doc/klettres-data/copyright', 'klettres/fr/alpha/a.ogg'):
            tar.addfile(tarfile.TarInfo(f'./usr/share/{name}'))
    head = f"{'data.tar.xz':<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(data.getvalue()):<10}`\n"
    return b'!<arch>\n' + head.encode() + data.getvalue()

def published():
    "What a site would answer: address without `https://` -> bytes."
    rng = np.random.default_rng(0)
    weights = {
        name: name.encode() for name in ('Cnn14_mAP=0.431.pth', 'Cnn14_DecisionLevelMax_mAP=0.385.pth')}
    record = dict(
        title='stand-ins for PANNs',   # nothing that hears
        files=[
            dict(key=n, size=len(b), checksum=f"md5:{hashlib.md5(b).hexdigest()}") for n, b in weights.items()
        ],
    )
    answers = {
        'github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt': b'weights',
        'zenodo.org/api/records/3987831': json.dumps(record).encode()}
    answers |= {f'zenodo.org/records/3987831/files/{n}': b for n,b in weights.items()}
    for half in ('clean','noisy'):
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, 'w') as z:
            for name in ('p232_001', 'p257_001'):
                sf.write(wav := io.BytesIO(), .1*rng.standard_normal(24000), 48000, format='WAV')
                z.writestr(f'{half}_testset_wav/{name}.wav', wav.getvalue())
        answers[f'datashare.ed.ac.uk/bitstream/handle/10283/2791/{half}_testset_wav.zip'] = packed.getvalue()
    answers |= collections(rng)
    known,table = audioset_vocabulary(),io.StringIO()
    csv.writer(table).writerows(
        [['index', 'mid', 'display_name'], *zip(range(len(known)), known.ids, known.names)])
    nodes = [dict(id=i, name=n, child_ids=[], restrictions=[]) for i,n in zip(known.ids, known.names)]
    lists = {
        'balanced_train_segments.csv': '# YTID, start_seconds, end_seconds, positive_labels\nabc-0000000, '
                                       '0.000, 1.000, "/m/09x0r"\n',
        'class_labels_indices.csv': table.getvalue(),
        'ontology.json': json.dumps(nodes),
    }
    answers['mirror.example/debian/pool/klettres.deb'] = package()
    return answers | {
        weakse.corpora.audioset_lists.LISTS[n].removeprefix('https://'): t.encode() for n, t in lists.items()}

@pytest.fixture(scope='module')
def site():
    """A server of this machine that is asked in place of all others, and where what it has is what was
    published."""
    answers = published()
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self):
            found = answers.get(urllib.parse.unquote(urllib.parse.urlsplit(self.path).path).removeprefix('/'))
            self.send_response(404 if found is None else 200)
            self.send_header('Content-Length', str(len(found or b'')))
            self.end_headers()
            self.wfile.write(found or b'')
        def log_message(self, *_):
            pass
    web,ask = ThreadingHTTPServer(('127.0.0.1', 0), Answer),weakse.core.fetch._request
    threading.Thread(target=web.serve_forever, daemon=True).start()
    archives = {
        u.rpartition('/')[2]: f'md5:{hashlib.md5(b).hexdigest()}' for u, b in answers.items()
        if u.endswith('.zip')}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('no_proxy', '127.0.0.1')
        patch.setattr(
            weakse.core.fetch, '_request',
            lambda url, have: ask(url.replace('https://', f'http://127.0.0.1:{web.server_port}/'), have))
        patch.setattr(efficientat, 'SHA256', hashlib.sha256(b'weights').hexdigest())
        patch.setattr(weakse.corpora.voicebank, '_published', archives)
        patch.setitem(weakse.corpora.voicebank.parts, 'test', ('testset_wav', 2))
        for name,c in weakse.corpora.downloads.COLLECTIONS.items():
            patch.setitem(weakse.corpora.downloads.COLLECTIONS, name, dataclasses.replace(c, n_clips=1))
        row = dict(package='klettres-data', file='pool/klettres.deb', size=len(package()), licence='GPL-2+',
                   sha256=hashlib.sha256(package()).hexdigest())
        patch.setattr(weakse.corpora.debian_fetch, 'own_mirror', lambda: 'https://mirror.example/debian')
        patch.setattr(weakse.corpora.debian_fetch, 'debian_packages', lambda names: pd.DataFrame([row]))
        patch.setattr(
            weakse.corpora.audioset_clips, 'youtube_audio',
            lambda id, folder: save_audio(Path(folder) / f'{id}.wav', np.ones(16000, np.float32) / 2, 8000))
        yield
    web.shutdown()
    web.server_close()

HELLO = """stages:
  hello: {cmd: echo hello > hello.txt, outs: [hello.txt]}
  corpus: {cmd: mkdir -p artifacts && cp -r ../../pairs_dev artifacts, outs: [artifacts/pairs_dev]}
  paired: {cmd: mkdir -p artifacts && cp -r ../../paired artifacts, outs: [artifacts/paired]}
"""
FINISHED = """stages:
  enhance: {foreach: {noisy: {system: noisy}}}
  score: {foreach: {noisy: {}}}
"""
MARKED = "# mine\n<!-- table1 -->\n<!-- /table1 -->\nmine too\n"

def checkout(home):
    "What `report` and `repro` find in a checkout."
    files = {
        'dvc.yaml': HELLO,
        'trial.yaml': f'data: data\n{PARAMS}',
        'README.md': MARKED,
        'results/table1.md': (home / 'r' / 'table1.md').read_text(),
        'results/table1.json': (home / 'r' / 'table1.json').read_text(),
        'nbs/index.ipynb': json.dumps(
            dict(
                cells=[dict(cell_type='markdown', id='a', metadata={}, source=[MARKED])], metadata={},
                nbformat=4, nbformat_minor=5)
        ),
    }
    for name,text in files.items():
        (home/name).parent.mkdir(exist_ok=True)
        (home/name).write_text(text)
    (home/'weakse').mkdir()

def serve_nothing(patch):
    "A server that reads its page and ends: of Voila, which takes seconds to load, the shape stands for it."
    def launch(cls, argv, **_): return Path(argv[0]).read_text()
    module = types.ModuleType('voila.app')
    module.Voila = type('Voila', (), dict(launch_instance=classmethod(launch)))
    patch.setitem(sys.modules, 'voila', types.ModuleType('voila'))
    patch.setitem(sys.modules, 'voila.app', module)

def surroundings(patch, home):
    "Work in `home`, where the system's temporary files and the downloads are, too."
    patch.chdir(home)
    matplotlib.get_configdir()                                # makes its folder once a process
    patch.setenv('TMPDIR', str(home/'tmp'))
    patch.setattr(tempfile, 'tempdir', None)
    patch.setenv('XDG_CACHE_HOME', str(home/'tmp'))
    patch.setenv('WEAKSE_HOME', str(home/'cache'/'weakse'))
    serve_nothing(patch)

def in_short(patch):
    "Work in this process, where the trace sees it, and draw little where no parameter says how much."
    patch.setitem(weakse.core.parallel._backends, 'process', weakse.core.parallel._serial)
    short = functools.partial(weakse.mining.mine.as_printed, n_batches=10)
    patch.setattr(weakse.mining.mine, 'as_printed', short)

def say(*args):
    "Exit code of a verb, and all that it said on one line."
    runner = CliRunner(env=dict(COLUMNS='300', NO_COLOR='1', TERM='dumb'))
    r = runner.invoke(app, [str(a) for a in args], prog_name='weakse')
    assert r.exception is None or isinstance(r.exception, SystemExit), (args, r.exception)
    return r.exit_code,' '.join(r.output.split())

def begin(home):
    "What is there before the first case."
    (home/'tmp').mkdir(parents=True)
    shutil.copytree(Path(__file__).parents[1]/'sources', home/'data')
    package = Path(weakse.__file__).parent
    for module in [p.relative_to(package) for p in package.rglob('*.py')]:     # of which nothing is imported
        (home/'package'/module).parent.mkdir(parents=True, exist_ok=True)
        (home/'package'/module).touch()
    (home/'params.yaml').write_text(PARAMS)
    for name in ('theirs.wav', 'notes.md', 'r2/keep.json'):
        (home/name).parent.mkdir(exist_ok=True)
        (home/name).write_text(name)

def done(case, home):
    "Run a case: what it said, touched, opened and changed."
    prepare(case, home)
    before = tree(home)
    start = time.perf_counter()
    (code,said),touched,opened = traced(lambda: say(*words(case)))
    after = tree(home)
    lost = {p for p in before if after.get(p)!=before[p]}
    if os.environ.get('TIMES'):
        print(case, code, round(time.perf_counter()-start, 1), said[-300:], file=sys.__stderr__)
    return dict(code=code, said=said, touched=touched, opened=opened, lost=lost, new=set(after)-set(before))

def all_cases(folder):
    "All cases, one after another, in `folder`/home; what is known of each is written beside it."
    home = folder/'home'
    begin(home)
    with pytest.MonkeyPatch.context() as patch:
        surroundings(patch, home)
        in_short(patch)
        seen = {case: done(case, home) for case in CASES}
    (folder/'seen.pickle').write_bytes(pickle.dumps(seen))

def moved(seen, there, here):
    "The same, of a copy: the paths that were touched and opened."
    def seen_from(path):
        return str(here/Path(path).relative_to(there)) if Path(path).is_relative_to(there) else path
    return {
        case: s | {k: [seen_from(p) for p in s[k]] for k in ('touched', 'opened')} for case,s in seen.items()}

@pytest.fixture(scope='module')
def run(tmp_path_factory, site):
    """All cases in a copy of a folder that one process of this run of the tests makes for all of them:
    `(home, say)`, and what each touched, changed and said in `home.seen`."""
    folder = made_once(tmp_path_factory, 'verbs_write', all_cases)
    home = tmp_path_factory.mktemp('verbs')/'home'
    shutil.copytree(folder/'home', home, symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        surroundings(patch, home)
        yield home,say,moved(pickle.loads((folder/'seen.pickle').read_bytes()), folder/'home', home)

def prepare(case, home):
    "What somebody brings along."
    if case=='report':
        checkout(home)
    for seed in range(2) if case=='combine' else ():
        (home/f'seed_{seed}'/'artifacts').mkdir(parents=True)
        (home/f'seed_{seed}'/'params.yaml').write_text(f'seed: {seed}\n')
        (home/f'seed_{seed}'/'dvc.yaml').write_text(FINISHED)
        shutil.copytree(home/'scores', home/f'seed_{seed}'/'artifacts'/'scores')
    if case=='trials':
        shutil.copy(home/'trial.yaml', home/'tried.yaml')
        (home/'candidates.yaml').write_text('n_pairs: 1\nsegan: {one: {steps: 1}, two: {steps: 1}}\n')
    if case=='pack':
        (home/'card.yaml').write_text('kind: enhancer\nsays: nothing\nsource: noise\nlicence: CC0-1.0\n')
    if case=='new':
        (home/'own.csv').write_text('file,label\na.wav,Speech\nb.wav,Rain\n')
    if case=='enhance':
        shutil.copy(next((home/'pairs'/'noisy').glob('*.wav')), home/'one.wav')
    # a detector of two steps knows nothing: tags as a good one gives them
    if case=='mine':
        known = list(pd.read_csv(home/'anchors'/'vocabulary.csv').name)
        shard = home/'anchors'/'shards'/'00000.npy'
        records = np.load(shard)
        records['tags'] = np.eye(len(known))[
            [known.index(c) for c in pd.read_csv(home / 'anchors' / 'anchors.csv')['class']]]
        np.save(shard, records)
    if case=='scenes' and (home/'sound_types.csv').is_file():
        shutil.copy(home/'sound_types.csv', home/'classes.csv')
    if case=='selective':   # one of four scenes is enough
        listed = home/'scenes'/'scenes.csv'
        listed.write_text(''.join(listed.read_text().splitlines(True)[:2]))

def belongs(path, case, home):
    "Is it an output of the case, in one, a temporary name beside one, or a temporary file of the system?"
    if Path(path).is_relative_to(home/'tmp') or path in (str(home), '/dev/null') or '__pycache__' in path:
        return True
    if case in ('repro', 'trials') and Path(path).is_relative_to(home/'.dvc'): return True     # DVC's own
    for kind,out in outputs(case):
        for f in files_of(kind, out):
            f = home/f
            if Path(path).is_relative_to(f) or f.is_relative_to(path): return True
            if Path(path).is_relative_to(f.parent) and Path(path).relative_to(f.parent).parts[0].startswith(
                '.'):
                return True
            if case.startswith('train') and str(path).startswith(f'{f}.checkpoints'): return True
    return case in ('ablate', 'additive') and Path(path).is_relative_to(home/'artifacts')

def test_no_verb_is_left_out():
    def names(of):
        return {c.name or c.callback.__name__ for c in of.registered_commands}
    grouped = {f'{g.name} {n}' for g in app.registered_groups for n in names(g.typer_instance)}
    groups = {g.name for g in app.registered_groups}
    called = [w.split() for w in CASES.values()]
    assert names(app) | grouped=={' '.join(w[:2]) if w[0] in groups else w[0] for w in called}

@pytest.mark.parametrize('case', CASES)
def test_a_verb_touches_its_outputs_alone(run, case):
    home,_,seen = run
    s = seen[case]
    assert s['code']==0 or 'error' not in s['said'], s['said']
    edited = {p for kind,p in outputs(case) if kind=='edit'}
    assert (s['new'] or edited or case in ('app', 'models')) and s['lost']==edited
    assert not [p for p in s['touched'] if not belongs(p, case, home)]
    assert not [p for p in s['new'] if not belongs(str(home/p), case, home)]
    assert not [p for p in s['new'] if '.tmp' in p or p.endswith(('.part','.old'))]

@pytest.mark.parametrize(
    'case', [c for c in CASES if c in ('tagger', 'anchors', 'mine', 'paired', 'sound_types', 'ablate', 'additive', 'trials')
             or c.startswith('train')])
def test_what_trains_or_chooses_opens_no_test_pair_and_no_test_scene(run, case):
    home,_,seen = run
    def below(case, folder):
        return [p for p in seen[case]['opened'] if Path(p).is_relative_to(home/folder)]
    assert below('score', 'pairs') and below('figures', 'pairs')            # the trace sees what is there
    assert below('selective', 'scenes') and below('listen', 'scenes')
    assert seen[case]['opened'] and not below(case, 'pairs') and not below(case, 'scenes')

WAY_OUT = (
    'choose another', 'pass `--overwrite`', 'empty it', 'move it away', 'give one with --out', 'name a new folder',
    'expected .')

def refused(say, home, args, path):
    "The verb says no in one line that names the path and the way out, and everything is as it was."
    before = tree(home)
    code,said = say(*args)
    assert tree(home)==before
    assert (
        code == 1 and said.startswith('error: ') and str(path) in said and any(w in said for w in WAY_OUT)
    ), said

AIMED = [
    (case, kind, out) for case in CASES for kind, out in outputs(case)
    if kind not in SAID and not out.endswith('.part')]

@pytest.mark.parametrize('case,kind,out', AIMED, ids=lambda v: str(v))
def test_a_verb_refuses_what_is_not_its_own(run, case, kind, out):
    home,say,_ = run
    others = {o: f'new/{o}' for _,o in outputs(case) if o!=out}
    theirs = home/f'theirs_{case}'/Path(out).name
    if kind in ('file','table'):
        theirs.parent.mkdir(exist_ok=True)
        theirs.write_text('mine')
    else: 
        names = [
            p.relative_to(home / out) for p in (home / out).rglob('*') if p.is_file() and p.name != '.weakse'
        ] + ['thesis.tex']
        for name in names:
            (theirs/name).parent.mkdir(parents=True, exist_ok=True)
            (theirs/name).write_text('mine')
    refused(say, home, words(case, **others, **{out: str(theirs)}), theirs)
    shutil.rmtree(home/'new', ignore_errors=True)

@pytest.mark.parametrize(
    'case,kind,out', [a for a in AIMED if a[1] in ('folder', 'file', 'table')], ids=lambda v: str(v))
def test_a_verb_keeps_its_inputs(run, case, kind, out):
    home,say,_ = run
    others = {o: f'new/{o}' for _,o in outputs(case) if o!=out}
    there = [
        w for w in words(case) if w not in {o for _, o in outputs(case)} and Path(w).exists()
        and Path(w).is_dir() == (kind == 'folder')]
    for path in there:
        refused(say, home, words(case, **others, **{out: path}), path)
    shutil.rmtree(home/'new', ignore_errors=True)

def test_a_table_is_never_named_like_its_text(run):
    "The text would be written over the numbers."
    home,say,_ = run
    refused(say, home, ['compare', 'noisy', '--pairs', 'pairs', '--out', 'new.md', '--overwrite'], 'new.md')

def test_an_edit_leaves_what_stands_outside_the_marks(run):
    home,_,_ = run
    table = (home/'results'/'table1.md').read_text().strip()
    for text in (
        (home / 'README.md').read_text(),
        ''.join(json.loads((home / 'nbs' / 'index.ipynb').read_text())['cells'][0]['source'])):
        assert (
            text.split('<!-- table1 -->')[0] == '# mine\n'
            and text.endswith('<!-- /table1 -->\nmine too\n')
            and table in text
        )

def test_a_run_goes_on_in_its_own_folder_alone(run):
    home,say,_ = run
    (home/'runs'/'trial'/'.weakse').unlink()                        # as an older version left it
    assert say('repro', 'hello', '--params', 'trial.yaml')[0]==0
    (home/'runs'/'thesis').mkdir()
    (home/'runs'/'thesis'/'thesis.tex').write_text('mine')
    shutil.copy(home/'trial.yaml', home/'thesis.yaml')
    refused(say, home, ['repro', 'hello', '--params', 'thesis.yaml'], Path('runs')/'thesis')
    (home/'runs'/'file').write_text('mine')
    shutil.copy(home/'trial.yaml', home/'file.yaml')
    refused(say, home, ['repro', 'hello', '--params', 'file.yaml'], Path('runs')/'file')

def test_a_run_is_never_replaced_as_a_whole(run):
    home,say,_ = run
    shutil.rmtree(home/'runs'/'fresh', ignore_errors=True)
    shutil.copy(home/'trial.yaml', home/'fresh.yaml')
    assert say('repro', 'hello', '--params', 'fresh.yaml')[0]==0
    refused(say, home, words('scenes', scenes='runs/fresh'), 'runs/fresh')

@pytest.mark.parametrize(
    'name,path', [('efficientat', 'mn04_as_mAP_432.pt'), ('panns', 'Cnn14_mAP=0.431.pth')])
def test_a_download_replaces_nothing_in_a_folder_that_is_not_ours(run, monkeypatch, name, path):
    home,say,_ = run
    theirs = home/'theirs_cache'/name/'weakse'
    theirs.mkdir(parents=True)
    (theirs/path).write_text('mine')
    monkeypatch.setenv('WEAKSE_HOME', str(theirs))
    code,said = say('fetch', name)
    assert (
        code == 1 and f'error: {theirs / path} exists already' in said and 'move it away' in said
        and (theirs / path).read_text() == 'mine')

def test_a_part_that_is_not_ours_stays(run):
    home,say,_ = run
    (home/'vb.part').mkdir()
    (home/'vb.part'/'thesis.tex').write_text('mine')
    refused(say, home, ['fetch', 'voicebank', 'vb'], 'vb.part')
    (home/'as'/'audio'/'.part').mkdir(parents=True)
    (home/'as'/'audio'/'.part'/'thesis.tex').write_text('mine')
    before = tree(home/'as')
    code,said = say('fetch', 'audioset', 'as')
    assert (
        code == 1 and 'as/audio/.part holds files that weakse did not make' in said
        and tree(home / 'as').items() >= before.items())
