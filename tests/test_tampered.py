"""Saved systems, detectors and anchors that were damaged or tampered with: loaded as they are, or refused in
one line with a remedy; nothing else is raised."""
import json, random, resource, shutil, struct, time
from contextlib import contextmanager
from pathlib import Path
import numpy as np, pytest, torch
from weakse.detectors.protocol import load_detector
from weakse.detectors.small import SmallDetector, save_small
from weakse.core.labels import Vocabulary
from weakse.models.segan import SEGAN
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.wave_unet import WaveUNet
from weakse.core.saved import UnusableFileError, shapes_of
from weakse.models.registry import UnusableSystemError, load_system, save_system

names = Vocabulary(['Speech', 'Dog', 'Rain'])

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "Folder of a small system with a bank, and of a small detector."
    d = tmp_path_factory.mktemp('made')
    save_system(
        ConditionalUNet(3, width=0.03, depth=2, n_fft=64, hop_length=32), d / 'unet', sample_rate=16000,
        vocabulary=names, bank=torch.eye(3), config={'strength': 0.9})
    save_small(SmallDetector(names, width=2), d/'small')
    return d

def changed(folder, tmp_path, **values):
    "A copy of a folder with some keys of its config.json changed; `...` removes one."
    out = tmp_path/'copy'
    shutil.copytree(folder, out, dirs_exist_ok=True)
    config = json.loads((out/'config.json').read_text())
    for k,v in values.items():
        if v is ...:
            config.pop(k)
        else:
            config[k] = v
    (out/'config.json').write_text(json.dumps(config))
    return out

def refused(load, error, says=''):
    with pytest.raises(error) as caught:
        load()
    said = str(caught.value)
    assert says in said and '\n' not in said and len(said) < 1500, said

kw = dict(n_cond=3, width=.03, depth=2, n_fft=64, hop_length=32)

@pytest.mark.parametrize(
    'values,says',
    [
        (dict(format=99), 'has format 99, known here are 1 to 2: update weakse'), (dict(format='2'), '`'),
        (dict(format=-1), 'format'), (dict(format=None), 'format'), (dict(model=3), 'model'),
        (dict(model=[]), 'model'), (dict(model='x' * 9999), 'needs the model class'),
        (dict(model=...), 'has no model'), (dict(kwargs=[1]), 'kwargs'), (dict(kwargs={}), 'n_cond'),
        (dict(kwargs={**kw, 'width': 1e9}), 'width'), (dict(kwargs={**kw, 'width': 8.0}), 'do not fit'),
        (dict(kwargs={**kw, 'width': float('nan')}), 'width'), (dict(kwargs={**kw, 'width': '1'}), 'width'),
        (dict(kwargs={**kw, 'depth': 10**9}), 'depth'), (dict(kwargs={**kw, 'n_fft': 0}), 'n_fft'),
        (dict(kwargs={**kw, 'hop_length': 0}), 'hop_length'), (dict(kwargs={**kw, 'junk': 1}), 'junk'),
        (dict(kwargs={**kw, 'n_cond': 10**30}), 'n_cond'), (dict(kwargs={**kw, 'place': 7}), 'place'),
        (dict(sample_rate=[1]), 'sample_rate'), (dict(sample_rate=0), 'sample_rate'),
        (dict(sample_rate=1e400), 'sample_rate'), (dict(sample_rate=...), 'sample_rate'),
        (dict(n_classes=10**12), 'n_classes'), (dict(n_classes='3'), 'n_classes'),
        (dict(n_classes=-1), 'n_classes'), (dict(n_classes=2), 'classes'), (dict(vocabulary=5), 'vocabulary'),
        (dict(bank='yes'), 'bank'), (dict(name={}), 'name'), (dict(strength=7), 'strength'),
        (dict(strength=float('nan')), 'strength'), (dict(block=0), 'block'), (dict(block='x'), 'block'),
        (dict(condition='maybe'), 'condition')],
    ids=lambda v: repr(v)[:40],
)
def test_config(made, tmp_path, values, says):
    refused(lambda: load_system(changed(made/'unet', tmp_path, **values)), UnusableSystemError, says)

@pytest.mark.parametrize(
    'text',
    [
        b'', b'[', b'[1]', b'3', b'null', b'\xff\xfe', b'[' * 100_000, b'{"a": ' + b'9' * 5000 + b'}',
        b' ' * 30_000_000],
    ids=lambda v: repr(v)[:20],
)
@pytest.mark.parametrize(
    'kind,load,error',
    [('unet', load_system, UnusableSystemError), ('small', load_detector, UnusableFileError)])
def test_no_settings(made, tmp_path, text, kind, load, error):
    out = changed(made/kind, tmp_path)
    (out/'config.json').write_bytes(text)
    refused(lambda: load(out), error, 'config.json')

def npy(header, data=b''):
    return b'\x93NUMPY\x01\x00' + struct.pack('<H', len(header)) + header + data

@pytest.mark.parametrize(
    'content',
    [
        np.zeros((4, 3), np.float32), np.zeros(3, np.float32), np.zeros((3, 3), int),
        np.full((3, 3), np.nan, np.float32), np.zeros((3, 3), complex), np.array([[{}] * 3] * 3, object),
        np.zeros((0, 3), np.float32), b'', b'junk',
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3000000000, 3000)}"),
        npy(b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}"), npy(b'{' * 9000),
        npy(b"{'descr': [], 'shape': 1, 'fortran_order': 0}")],
    ids=lambda v: repr(v)[:30],
)
def test_bank(made, tmp_path, content):
    out = changed(made/'unet', tmp_path)
    if isinstance(content, bytes):
        (out/'bank.npy').write_bytes(content)
    else:
        np.save(out/'bank.npy', content, allow_pickle=True)
    refused(lambda: load_system(out), UnusableSystemError, 'bank.npy')

@pytest.mark.parametrize(
    'text',
    [
        b'', b'\xff', b'a,b\n1,2\n', b'index,id,name,threshold\n0,a,a,x\n',
        b'index,id,name,threshold\n0,a,Speech,\n0,a,Speech,\n', b'name\n"' + b'x' * 200_000, b'name\n\x00\n'],
    ids=lambda v: repr(v)[:20],
)
@pytest.mark.parametrize(
    'kind,load,error', [('unet', load_system, UnusableSystemError), ('small', load_detector, ValueError)])
def test_vocabulary(made, tmp_path, text, kind, load, error):
    out = changed(made/kind, tmp_path)
    (out/'vocabulary.csv').write_bytes(text)
    refused(lambda: load(out), error, 'vocabulary')

@pytest.mark.parametrize(
    'values',
    [
        dict(detector=3), dict(detector=[]), dict(detector='nobody'), dict(detector=...), dict(format=99),
        dict(model=...), dict(model=[1]), dict(model={'junk': 1}), dict(model={'n_fft': 0}),
        dict(model={'hop_length': 0}), dict(model={'width': 10**9}), dict(model={'width': 'x'}),
        dict(model={'n_mels': -1}), dict(model={'sample_rate': 0}), dict(model={'width': 400}),
        dict(model={'vocabulary': ['a']}), dict(model={'n_mels': 16, 'n_fft': 16})],
    ids=repr,
)
def test_detector(made, tmp_path, values):
    refused(lambda: load_detector(changed(made/'small', tmp_path, **values)), ValueError)

@pytest.mark.parametrize(
    'values',
    [
        dict(window='x', hop=1), dict(window=1.0, hop=0), dict(window=1.0), dict(window=1e99, hop=1.0),
        dict(window=[1], hop=1.0)],
    ids=repr,
)
def test_published_detector(made, tmp_path, values):
    refused(
        lambda: load_detector(changed(made / 'small', tmp_path, detector='efficientat', **values)),
        UnusableFileError)

@pytest.mark.parametrize(
    'make',
    [
        lambda: ConditionalUNet(3), SEGAN, WaveUNet, lambda: SelectiveNet(3, width=0.1),
        lambda: SelectiveNet(3, width=0.1, variant='table'), lambda: SmallDetector(names)],
    ids=['unet', 'segan', 'wave_unet', 'joint', 'table', 'small'],
)
def test_shapes_without_memory(make):
    assert shapes_of(make) == {k: tuple(v.shape) for k,v in make().state_dict().items()}

def test_saved_again(made, tmp_path):
    "What is loaded and saved again is the same to the byte, and loads; so does the form before."
    system = load_system(made/'unet')
    save_system(
        system.model, tmp_path / 'again', sample_rate=system.sample_rate, vocabulary=system.vocabulary,
        bank=system.bank, config=system.config)
    for f in ('model.safetensors', 'bank.npy', 'vocabulary.csv', 'config.json'):
        assert (tmp_path/'again'/f).read_bytes()==(made/'unet'/f).read_bytes(), f
    assert json.loads((tmp_path/'again'/'config.json').read_text())['format']==2
    assert load_system(tmp_path/'again').strength==.9
    for old in (1, ...):
        assert load_system(changed(made/'unet', tmp_path, format=old)).strength==.9

odd = [
    None, True, -1, 0, 1e308, float('nan'), float('inf'), 10**30, '', 'x', [], [[]], {}, [None],
    {'x': {'y': [1]}}, 2, 0.5, 'a\nb']

@pytest.mark.parametrize('kind,load', [('unet', load_system), ('small', load_detector)])
def test_drawn(made, tmp_path, kind, load):
    "Drawn changes of config.json and drawn bytes of every file."
    rng = random.Random(7)
    out = changed(made/kind, tmp_path)
    start = time.perf_counter()
    whole = {f.name: f.read_bytes() for f in out.iterdir()}
    for i in range(200):
        for f,content in whole.items():
            (out/f).write_bytes(content)
        if i%2:
            config = json.loads(whole['config.json'])
            inner = rng.choice([config, config['kwargs' if kind=='unet' else 'model']])
            inner[rng.choice([*inner, 'junk'])] = rng.choice(odd)
            (out/'config.json').write_text(json.dumps(config))
        else:
            f = rng.choice(list(whole))
            b = bytearray(whole[f])
            for _ in range(rng.randint(1, 4)):
                b[rng.randrange(min(len(b), 400))] = rng.randrange(256)
            (out/f).write_bytes(b[:rng.randrange(len(b))] if rng.random() < .3 else b)
        try:
            load(out)
        except ValueError as e:
            assert '\n' not in str(e), str(e)
    assert time.perf_counter() - start < 60

# -- a disk that fills at the very end
# ------------------------------------------------------------------------------------------------------------

@contextmanager
def small_disk(most):
    "No file may become larger than this many bytes."
    soft,hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

def test_full_disk_after_all_steps(tmp_path, monkeypatch):
    "The checkpoints stay, the message says where, and the next run goes on from there to the same system."
    import weakse.training.paired as paired, weakse.training.recipes as recipes
    from weakse.training.wave_unet import train_wave_unet
    from weakse.core.audio import save_audio
    rng,save = np.random.default_rng(0),paired.save_system
    for n in 'abc':
        for part in ('clean', 'noisy'):
            save_audio(
                tmp_path / 'pairs' / part / f'{n}.wav',
                0.1 * rng.standard_normal((1, 40000)).astype(np.float32), 16000)
    options = dict(
        width=0.1, depth=2, steps=4, batch_size=1, schedule='constant', valid_share=0.0, checkpoint_every=2,
        progress=False)
    def full(*a, **k):
        with small_disk(1000):
            return save(*a, **k)
    monkeypatch.setattr(paired, 'save_system', full)
    with pytest.raises(OSError) as caught:
        train_wave_unet(tmp_path/'pairs', tmp_path/'out', **options)
    folder = tmp_path/'out.checkpoints'
    assert 'the disk is full' in str(
        caught.value) and f'the checkpoints in {folder} have: run the same again' in str(caught.value)
    assert [f.name for f in sorted(folder.glob('step_*'))] == [
        'step_00000002.pt', 'step_00000004.pt'] and not list((tmp_path / 'out').glob('[!.]*'))
    monkeypatch.setattr(paired, 'save_system', save)
    monkeypatch.setattr(
        recipes,
        'fit',
        lambda task, batches, steps, each, start, progress: (
            [] if start == 4 else pytest.fail(f'began at {start}')),
    )
    train_wave_unet(tmp_path/'pairs', tmp_path/'out', **options)
    assert not folder.exists() and load_system(tmp_path/'out').name=='wave_unet'

OTHER_VERSIONS = dict(
    other_parts=lambda s: s['task'].pop('model'), other_average=lambda s: s['task'].update(average=None),
    other_optimiser=lambda s: s['task'].update(opt={'state': {}, 'param_groups': []}),
    other_shape=lambda s: s['task']['model'].update(weight=torch.zeros(3, 3)),
    other_random_state=lambda s: s.update(rng=torch.zeros(3)), no_settings=lambda s: s.update(settings=None),
    other_history=lambda s: s.update(history=[1., 2.]), other_keys=lambda s: s.update(settings={1: 2, 'a': 3}),
    no_step=lambda s: s.pop('step'))

@pytest.mark.parametrize('change', OTHER_VERSIONS)
def test_checkpoint_of_another_version(tmp_path, change):
    "A line names the file, training starts over as if it were not there, and it stays until there is another."
    from weakse.training.checkpoints import Checkpoint
    from weakse.training.tasks import WeakTask
    def task():
        torch.manual_seed(0)
        return WeakTask(torch.nn.Linear(2, 2), None, ema=.9, device='cpu')
    def begin():
        return Checkpoint(tmp_path/'c', 1, task=task(), settings=dict(width=1))
    begin().save(1)
    path, = (tmp_path/'c').glob('*.pt')
    state = torch.load(path)
    OTHER_VERSIONS[change](state)
    torch.save(state, path)
    again = begin()
    with pytest.warns(UserWarning, match=rf'^checkpoint {path} .*training starts over$'):
        assert again.restore()==0
    for a,b in zip(again.task.model.state_dict().values(), task().model.state_dict().values()):
        assert torch.equal(a, b)
    assert path.is_file() and again.history==[] and again.task.n==0
    again.save(2)
    assert [f.name for f in (tmp_path/'c').glob('*.pt')]==['step_00000002.pt']

def test_checkpoint_on_a_full_disk(tmp_path):
    "A checkpoint that cannot be written is an error of the system with its folder, and the one before stays."
    from types import SimpleNamespace
    from weakse.training.checkpoints import Checkpoint
    save = Checkpoint(tmp_path/'c', 1, task=SimpleNamespace(state_dict=lambda: {'x': torch.zeros(10**5)}))
    save.save(1)
    with small_disk(10_000), pytest.raises(OSError, match='the disk is full'):
        save.save(2)
    assert [f.name for f in (tmp_path/'c').glob('*.pt')]==['step_00000001.pt']

def test_same_bytes_as_before(made, tmp_path):
    "Weights are written to the byte as `save_file` writes them."
    from safetensors.torch import save_file
    save_file(
        {k: v.contiguous() for k, v in load_system(made / 'unet').model.state_dict().items()}, tmp_path / 'w')
    assert (tmp_path/'w').read_bytes()==(made/'unet'/'model.safetensors').read_bytes()

def test_tagger_on_a_full_disk(tmp_path):
    """The small detector is saved as a system is: the system's own error, nothing left behind, and to the
    byte as `save_file` writes it."""
    from safetensors.torch import save_file
    model = SmallDetector(names, width=16)
    with small_disk(10_000), pytest.raises(OSError, match='disk is full'):
        save_small(model, tmp_path/'a')
    assert not list(tmp_path.iterdir())
    save_small(model, tmp_path/'a')
    save_file({k: v.contiguous() for k,v in model.state_dict().items()}, tmp_path/'w')
    assert (tmp_path/'w').read_bytes()==(tmp_path/'a'/'model.safetensors').read_bytes()

@pytest.mark.parametrize('width', [1, 16, 64])
def test_a_detector_of_any_width_comes_back(tmp_path, width):
    """The bounds of a network's settings are those of its own class, not of another one with a setting of the
    same name."""
    from weakse.detectors.small import SmallDetector, load, save_small
    from weakse.core.labels import Vocabulary
    save_small(SmallDetector(Vocabulary(['Speech', 'Hum']), 16000, width=width), tmp_path/'d')
    assert load(tmp_path/'d').config['width']==width
