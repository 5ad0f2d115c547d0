"""The wheel, built and installed outside the checkout, with no network, an empty home folder and none of the extras: what people do
first. A stand-in for the base models is made on the fly: a tiny network that was never trained."""
import importlib.util, os, re, shutil, subprocess, sys, zipfile
from pathlib import Path
import numpy as np, pytest, soundfile as sf

root = Path(__file__).parents[1]
pytestmark = pytest.mark.skipif(
    not os.environ.get('WEAKSE_SLOW'), reason="builds, installs and trains elsewhere: set WEAKSE_SLOW=1, as .ci/run does")
EXTRAS = 'dvc networkx ipywidgets IPython voila matplotlib pesq pystoi fast_bss_eval espeakng_loader nbdev'

# what every Python of these tests begins with: nobody is reached, and packages of the extras are not there
GUARD = '''
import os, socket, sys
def refused(self, address, *more):
    if self.family != getattr(socket, 'AF_UNIX', None): raise OSError(f"no network in this test: {address}")
    return connect(self, address, *more)
connect,socket.socket.connect = socket.socket.connect,refused
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in os.environ.get('WITHOUT', '').split():
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
'''

@pytest.fixture(scope='session')
def wheel(tmp_path_factory):
    "The wheel of this checkout, built from a copy of it."
    if importlib.util.find_spec('setuptools') is None: pytest.skip("needs setuptools to build the wheel")
    place = tmp_path_factory.mktemp('build')
    copied = place/'weakse'
    keep = 'settings.ini setup.py pyproject.toml MANIFEST.in README.md LICENSE NOTICE CHANGELOG.md CITATION.cff'.split()
    copied.mkdir()
    for name in keep: shutil.copy(root/name, copied/name)
    shutil.copytree(root/'weakse', copied/'weakse', ignore=shutil.ignore_patterns('__pycache__'))
    done = subprocess.run(
        [sys.executable, '-m', 'pip', 'wheel', '-q', '--no-deps', '--no-build-isolation', '--no-index', '-w',
         str(place), str(copied)], capture_output=True, text=True)
    assert done.returncode==0, done.stderr[-3000:]
    return next(place.glob('*.whl'))

@pytest.fixture(scope='session')
def box(tmp_path_factory):
    "Models of no worth, in the form in which they are shipped, beside the detector that is."
    import torch
    from weakse.core.labels import Vocabulary
    from weakse.core.packing import Card, pack_model
    from weakse.core.shipped import models_folder
    from weakse.models.registry import save_system
    from weakse.models.selective import SelectiveNet
    from weakse.models.unet import ConditionalUNet
    place = tmp_path_factory.mktemp('models')
    names,small = Vocabulary(['Speech', 'Rain', 'Dog']),dict(width=.0625, depth=2, n_fft=512, hop_length=256)
    torch.manual_seed(0)
    save_system(ConditionalUNet(3, **small), place/'unet', sample_rate=16000, vocabulary=names, bank=torch.eye(3))
    save_system(
        SelectiveNet(3, n_embed=8, sample_rate=16000, channels=(4, 4), **small), place/'selective', sample_rate=16000,
        vocabulary=names, bank=torch.ones(3, 8))
    out = place/'box'
    shutil.copytree(models_folder(), out)
    for source,name,kind in (('unet', 'base', 'enhancer'), ('selective', 'base-selective', 'selective')):
        pack_model(place/source, name, Card(kind, "a stand-in", "nothing", 'CC0-1.0'), out)
    return out

@pytest.fixture(scope='session')
def installed(wheel, tmp_path_factory):
    "The folder in which the wheel is installed."
    place = tmp_path_factory.mktemp('installed')
    with zipfile.ZipFile(wheel) as f: f.extractall(place)
    (place/'sitecustomize.py').write_text(GUARD)
    return place

@pytest.fixture
def weakse(installed, box, tmp_path):
    "Run the installed command in an empty folder; words beginning with NAME= are variables."
    def run(*words, without=EXTRAS, **env):
        (tmp_path/'home').mkdir(exist_ok=True)
        clean = {k: v for k,v in os.environ.items() if not k.startswith(('WEAKSE', 'XDG', 'HF_'))}
        env = clean | dict(
            PYTHONPATH=str(installed), HOME=str(tmp_path/'home'), WITHOUT=without, WEAKSE_MODELS=str(box),
            OMP_NUM_THREADS='1', COLUMNS='200') | env
        return subprocess.run(
            [sys.executable, *map(str, words)], cwd=tmp_path, env=env, capture_output=True, text=True)
    return run

@pytest.fixture
def talk(tmp_path):
    "A second of noise, stereo."
    sf.write(tmp_path/'in.wav', .1*np.random.default_rng(0).standard_normal((16000, 2)), 16000)
    return tmp_path/'in.wav'

def test_the_wheel_holds_what_it_needs(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in ('core/pretrained/models.json', 'core/pretrained/audioset/model.safetensors',
                   'core/pretrained/audioset/LICENSE', 'core/vocabularies/audioset.csv', 'cli/new_folder/dvc.template',
                   'cli/new_folder/params.template', 'app/static/'):
        assert any(n.startswith(f'weakse/{needed}') for n in names), needed
    assert not [n for n in names if n.startswith(('tests', 'nbs'))]
    assert 'MIT' in next(zipfile.ZipFile(wheel).read(n).decode() for n in names if n.endswith('METADATA'))

def test_it_is_small(wheel):
    from weakse.core.packing import MOST_BYTES
    from weakse.core.shipped import shipped_models
    assert MOST_BYTES==40_000_000 and sum(m.n_bytes for m in shipped_models().values()) <= MOST_BYTES
    assert wheel.stat().st_size <= MOST_BYTES + 5_000_000

def test_enhance_detect_extract(weakse, talk, tmp_path, installed):
    r = weakse('-m', 'weakse', 'enhance', 'in.wav', '-o', 'out/')
    assert r.returncode==0 and 'uses the system base, comes with weakse' in r.stderr, r.stderr
    a,b = (sf.info(str(p)) for p in (talk, tmp_path/'out'/'in.wav'))
    assert (a.frames, a.samplerate, a.channels)==(b.frames, b.samplerate, b.channels)
    r = weakse('-m', 'weakse', 'detect', 'in.wav')
    assert r.returncode==0 and 'noise' in r.stdout and 'uses the detector audioset' in r.stderr, r.stderr
    r = weakse('-m', 'weakse', 'extract', 'in.wav', '-o', 'parts', '--keep', 'Speech', '--detector', 'none')
    assert r.returncode==0 and 'base-selective, and for Speech base, comes with weakse' in r.stderr, r.stderr
    both = sum(sf.read(tmp_path/'parts'/half/'in.wav')[0] for half in ('kept','removed'))
    assert np.abs(both - sf.read(talk)[0]).max() <= 2**-15
    r = weakse('-m', 'weakse', 'extract', 'in.wav', '-o', 'like', '--like', 'in.wav', '--detector', 'none')
    assert r.returncode==0 and 'uses the system base-selective' in r.stderr, r.stderr
    assert not list((tmp_path/'home').iterdir())

def test_three_lines_of_python(weakse, talk, installed):
    code = ("import weakse; wav,rate = weakse.load_audio('in.wav', mono=False); print(weakse.__path__[0]);"
            "print(weakse.enhance(wav, rate).shape==wav.shape, len(weakse.detect(wav, rate)) > 0)")
    r = weakse('-c', code)
    assert r.stdout.splitlines()==[str(installed/'weakse'), 'True True'], r.stderr

def test_a_missing_extra_is_one_line(weakse, talk, tmp_path):
    (tmp_path/'my.csv').write_text('file,label\nin.wav,Speech\n')
    assert weakse('-m', 'weakse', 'new', 'mine', '--labels', 'my.csv').returncode==0
    shutil.copy(tmp_path/'mine'/'params.yaml', tmp_path)
    shutil.copy(tmp_path/'mine'/'dvc.yaml', tmp_path)
    for words,extra in ((['app', '--no-browser'], 'app'), (['repro'], 'train'),
                        (['score', '--clean', '.', '--enhanced', '.'], 'metrics'), (['doctor', 'my.csv'], 'app')):
        r = weakse('-m', 'weakse', *words)
        assert r.returncode==1 and len(r.stderr.strip().splitlines())==1, r.stderr
        assert f"pip install 'weakse[{extra}]'" in r.stderr, r.stderr

def test_bad_input_is_one_line(weakse, talk, box, tmp_path):
    def said(*words, **env):
        r = weakse('-m', 'weakse', *words, **env)
        assert r.returncode==1, r.stdout
        return r.stderr.strip().splitlines()[-1]
    assert 'nearest: base' in said('enhance', 'in.wav', '-o', 'x', '--system', 'bas')
    assert "unknown detector 'audiosett'" in said('detect', 'in.wav', '--detector', 'audiosett')
    assert 'is a detector, no system' in said('enhance', 'in.wav', '-o', 'x', '--system', 'audioset')
    line = said('enhance', 'in.wav', '-o', 'x', WEAKSE_MODELS='nothing')
    assert 'no system comes with this version of weakse' in line and 'oracle' not in line and 'weakse new' in line
    assert 'weakse new FOLDER' in said('repro')
    line = said('extract', 'in.wav', '-o', 'x', '--keep', 'Helicopter', '--detector', 'none')
    assert 'the system does not know that sound' in line
    other = shutil.copytree(box, tmp_path/'box')
    with open(other/'base'/'model.safetensors', 'r+b') as f: f.write(b'no weights')
    assert 'damaged or was changed' in said('enhance', 'in.wav', '-o', 'x', WEAKSE_MODELS=str(other))
    assert not (tmp_path/'x').exists()

def test_a_sound_is_asked_for_by_its_parent(weakse, talk):
    r = weakse('-m', 'weakse', 'extract', 'in.wav', '-o', 'parts', '--drop', 'Bark', '--detector', 'none')
    assert r.returncode==0 and "asked for 'Dog': 'Bark' is a kind of it" in r.stderr, r.stderr

def test_help_and_import_are_quick_and_offline(weakse):
    r = weakse('-X', 'importtime', '-m', 'weakse', '--help')
    assert r.returncode==0 and not re.search(r' (torch|numpy|pandas)$', r.stderr, re.M)

def test_a_folder_of_ones_own_trains_in_one_more_command(weakse, tmp_path):
    from weakse.core.audio import save_audio
    import torch
    rng = torch.Generator().manual_seed(0)
    rows = [(f'{label}{i}.wav', label) for label in ('Speech', 'Rain', 'Dog') for i in range(12)]
    for name,_ in rows: save_audio(tmp_path/'sounds'/name, .1*torch.randn(1, 48000, generator=rng), 16000)
    (tmp_path/'my.csv').write_text('file,label\n' + ''.join(f'{n},{l}\n' for n,l in rows))
    words = ['new', 'mine', '--labels', 'my.csv', '--sounds', 'sounds', '--steps', '4']
    assert weakse('-m', 'weakse', *words).returncode==0
    params = tmp_path/'mine'/'params.yaml'
    text = params.read_text().replace('batch_size: 16', 'batch_size: 4').replace('n_batches: 1500', 'n_batches: 30')
    # noise is all sounds to the detector: what a clip is said to hold decides alone
    text = text.replace('threshold_scale: 0.5', 'threshold_scale: 99.0')
    params.write_text(text.replace('seconds: 2.0', 'seconds: 2.0\n  min_area: 0.0'))
    code = "import os; os.chdir('mine'); from weakse.cli.main import main; import sys; sys.argv = ['weakse', 'repro']; main()"
    r = weakse('-c', code, without='pesq pystoi fast_bss_eval voila')
    assert r.returncode==0 and (tmp_path/'mine'/'artifacts'/'models'/'unet'/'config.json').is_file(), r.stderr
