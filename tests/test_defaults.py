"""A caller's default device and default dtype are the caller's own: no result depends on them."""
import ast
from pathlib import Path
import numpy as np, pandas as pd, pytest, torch
import weakse
from weakse.core.labels import Vocabulary

# -- every call that makes a tensor says where, and of what kind
# -----------------------------------------------------------------------------------

makers = {
    *(
        'empty ones zeros full eye arange linspace logspace rand randn randint randperm normal tensor '
        'as_tensor asarray scalar_tensor Generator'.split()
    ),
    *(
        'bartlett_window blackman_window hamming_window hann_window kaiser_window tril_indices triu_indices '
        'fft.fftfreq fft.rfftfreq'.split()
    ),
}
layers = {
    'Conv1d', 'Conv2d', 'ConvTranspose1d', 'ConvTranspose2d', 'Linear', 'BatchNorm1d', 'BatchNorm2d',
    'Embedding', 'PReLU', 'LSTM', 'GRU', 'LayerNorm', 'GroupNorm'}

def careless(source):
    "Lines with a factory that leaves its device, or a layer that leaves its dtype, to the caller's defaults."
    for call in (n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)):
        name,given = ast.unparse(call.func),{k.arg for k in call.keywords}
        if name=='torch.Generator' and call.args: continue
        if name.removeprefix('torch.') in makers and name.startswith('torch.') and 'device' not in given:
            yield call.lineno,name
        if name.removeprefix('nn.') in layers and name.startswith('nn.') and 'dtype' not in given:
            yield call.lineno,name

def test_the_search_finds():
    found = careless(
        'torch.zeros(3)\ntorch.Generator()\nnn.Linear(2, 3)\ntorch.ones(2, '
        'device=x.device)\ntorch.Generator("cpu")\nnn.Linear(2, 3, dtype=torch.float32)')
    assert [line for line,_ in found]==[1, 2, 3]

@pytest.mark.parametrize('path', sorted(Path(weakse.__file__).parent.rglob('*.py')), ids=lambda p: p.stem)
def test_every_factory_says_its_device(path):
    assert not list(careless(path.read_text()))

# -- and the results are the same to the bit
# ---------------------------------------------------------------------------------------------------------

names = Vocabulary(['Speech', 'Dog', 'Rain'], thresholds=[.1, .1, .1])
rng = np.random.default_rng(0)
WAV = (.1*rng.standard_normal((2, 12000))).astype(np.float32)
small = dict(depth=2, n_fft=128, hop_length=32, width=1/8)

class Store:
    "Anchors of 0.5 s that live in memory."
    vocabulary = names
    sample_rate = 8000
    seconds = .5
    classes = np.repeat(np.arange(3), 6)
    tags = (.9*np.eye(3) + .01)[classes].astype(np.float32)
    table = pd.DataFrame(
        dict(
            labels=[[names.names[k]] for k in classes], clip=np.arange(18),
            file=[f'{i}.wav' for i in range(18)])
    )
    def __len__(self):
        return len(self.classes)
    def wav(self, idx):
        return torch.from_numpy(
            (0.1 * np.random.default_rng(1).standard_normal((18, 4000))).astype(np.float32)[
                np.atleast_1d(np.asarray(idx))]
        )

def nets():
    from weakse.models.segan import SEGAN
    from weakse.models.selective import SelectiveNet
    from weakse.models.unet import ConditionalUNet
    from weakse.models.wave_unet import WaveUNet
    return dict(
        unet=lambda: ConditionalUNet(3, **small),
        selective=lambda: SelectiveNet(3, n_embed=3, channels=(4, 4), sample_rate=8000, **small),
        wave_unet=lambda: WaveUNet(width=1 / 8, depth=4), segan=lambda: SEGAN(width=1 / 16))

@pytest.fixture(scope='module')
def made(tmp_path_factory):
    "Saved systems, a detector and training pairs."
    from weakse.core.audio import save_audio
    from weakse.detectors.small import SmallDetector, save_small
    from weakse.models.registry import save_system
    d = tmp_path_factory.mktemp('made')
    torch.manual_seed(0)
    for name,make in nets().items():
        takes = name in ('unet', 'selective')
        save_system(
            make(), d / name, sample_rate=8000, vocabulary=names if takes else None,
            bank=torch.eye(3) if takes else None, config=dict(block=0.4))
    detector = SmallDetector(names, width=2)
    torch.nn.init.constant_(detector.classify.bias, 0.)
    save_small(detector, d/'tagger')
    for n in 'abc':
        for part in ('clean', 'noisy'):
            save_audio(
                d / 'pairs' / part / f'{n}.wav', 0.1 * rng.standard_normal((1, 20000)).astype(np.float32),
                16000)
    save_audio(d/'pair.wav', WAV, 8000)
    return d

def flat(x):
    "Anything as a list of what can be compared."
    if isinstance(x, torch.Tensor):
        return [
            (str(x.device), x.dtype, x.detach().cpu().numpy().tobytes() if x.device.type != 'meta' else None)]
    if isinstance(x, np.ndarray): return [(x.dtype, x.tobytes())]
    if isinstance(x, pd.DataFrame): return [x.to_csv()]
    if isinstance(x, dict):
        return [(k, flat(v)) for k,v in x.items() if 'seconds' not in str(k) and 'outside' not in str(k)]
    if isinstance(x, (list, tuple)): return [flat(v) for v in x]
    return [repr(x)]

jobs = {}
def job(f):
    jobs[f.__name__] = f
    return f

def of_every_system(name):
    @job
    def f(d, tmp):
        from weakse.inference.enhance import enhance
        return enhance(WAV, 8000, d / name if (d / name).is_dir() else name), enhance(
            torch.from_numpy(WAV), 8000, d / name if (d / name).is_dir() else name, block=0.5)
    jobs[f'enhance_{name}'] = jobs.pop('f')
for name in ('noisy', 'highpass', 'wiener', 'unet', 'selective', 'wave_unet', 'segan'):
    of_every_system(name)

@job
def enhance_file(d, tmp):
    from weakse.core.audio import load_audio
    from weakse.inference.enhance import enhance_file
    enhance_file(d/'pair.wav', tmp/'o.wav', d/'unet')
    enhance_file(d/'pair.wav', tmp/'d.wav', 'wiener')
    return load_audio(tmp/'o.wav'), (tmp/'d.wav').read_bytes()

@job
def oracle(d, tmp):
    from weakse.models.registry import load_system
    return load_system('oracle')(torch.from_numpy(WAV), clean=torch.from_numpy(WAV/2))

@job
def stream(d, tmp):
    from weakse.inference.stream import Stream
    s = Stream(d/'unet', 8000, 2, block=.25, context=.1)
    return [s.push(WAV[:, a:a+1000]) for a in range(0, 12000, 1000)], s.flush()

@job
def extract(d, tmp):
    from weakse.inference.extract import extract
    return extract(WAV, 8000, keep='Dog', system=d / 'unet', detector=None), extract(
        torch.from_numpy(WAV), 8000, drop='Rain', floor_db=-20, system=d / 'unet', detector=d / 'tagger')

@job
def detect(d, tmp):
    from weakse.detectors.protocol import detect, load_detector
    return detect(WAV, 8000, d/'tagger'), load_detector(d/'tagger').tags(torch.from_numpy(WAV))

@job
def mixer(d, tmp):
    from weakse.inference.mixer import Mixer
    m = Mixer(WAV, 8000, d/'unet', d/'tagger', progress=False)
    m.gains['rest'] = -6
    return m.stems, m.rest, m.render()

@job
def listening(d, tmp):
    from weakse.models.registry import load_system
    s = load_system(d/'selective')
    return (
        s.embed(WAV, 8000), s.classify(WAV, 8000), s.tags(WAV, 8000),
        load_system(d / 'unet').condition('Dog', 'one_hot'))

@job
def pictures(d, tmp):
    from weakse.core.equal_loudness import matching_gains
    from weakse.app.listening_sounds import write_group
    from weakse.app.players import spectrogram_db
    from weakse.app.server import example_recording
    x = torch.from_numpy(WAV)
    return (
        matching_gains({'a': WAV, 'b': x / 2}, 8000), spectrogram_db(x[0], 8000, 100),
        example_recording('nowhere'), write_group(tmp, {'a': x[0], 'b': x[1]}, 8000))

@job
def doctor(d, tmp):
    from weakse.app.sound_facts import sound_facts
    return sound_facts(d/'pair.wav')

@job
def anchors(d, tmp):
    from weakse.mining.anchors import find_anchors
    from weakse.mining.conditions import condition_bank
    probs = torch.from_numpy(np.random.default_rng(2).random((300, 3), np.float32))
    return (
        find_anchors(probs, [0, 2], 1.0), condition_bank(Store.tags, Store.classes), names.encode('Dog'),
        names.decode([0.9, 0, 0.8]), names.decode(torch.from_numpy(Store.tags[0])))

@job
def filters(d, tmp):
    from weakse.core.audio import dithering, tpdf
    from weakse.core.spectrogram import LogMel
    from weakse.detectors.efficientat import FrontEnd
    from weakse.detectors.panns import _noises
    from doubles import made_up_pair
    from doubles import band_scene
    x = torch.from_numpy(WAV)
    return (
        LogMel(8000, 256, 80)(x), FrontEnd()(x), _noises(2, torch.Generator('cpu').manual_seed(0)),
        made_up_pair(), band_scene(), tpdf((2, 9), dithering(True)))

@job
def mixtures(d, tmp):
    from weakse.mining.mixtures import Mixtures
    pairs = np.array([[0, 6], [7, 13], [1, 14], [2, 8]])
    draw = lambda **o: Mixtures(Store(), pairs, batch_size=4, **o)
    more = dict(
        level='snr', n_interferers=(1, 2), sets=Store.tags > 0.5, identity_share=0.2, absent_share=0.2,
        level_db=-20, gain_range=(-3.0, 3.0), eq_db=6.0, seconds=0.3)
    return draw().batch(0), draw(condition='one_hot', **more).batch(3), next(draw().batches(1))

def weak_task(model, **options):
    from weakse.training.losses import make_loss
    from weakse.training.tasks import WeakTask
    return WeakTask(
        model,
        make_loss(
            {
                'waveform_mae': 1.0, 'compressed_stft': 0.1, 'multi_resolution_stft': 0.1,
                'si_sdr_loss': 0.01, 'waveform_rmse': 0.1}
        ),
        clip=1.0,
        ema=0.9,
        **options,
    )

@job
def weak_training(d, tmp):
    from weakse.mining.mixtures import Mixtures
    from weakse.training.checkpoints import Checkpoint
    from weakse.training.cost import training_cost
    from weakse.training.loop import fit
    from weakse.training.weak import make_unet
    task = weak_task(make_unet(3, seed=0, **small))
    save = Checkpoint(tmp/'c', 1, task=task)
    rows = fit(
        task, Mixtures(Store(), np.array([[0, 6], [7, 13]]), batch_size=4).batches(0), 2, [save], 0, False)
    again = weak_task(make_unet(3, seed=1, **small))
    assert Checkpoint(tmp/'c', 1, task=again).restore()==2
    assert training_cost(3, dict(small, depth=2), seconds=.2)['parameters'] > 0
    return [r['loss'] for r in rows], task.best.state_dict(), again.best.state_dict()

@job
def joint_training(d, tmp):
    from weakse.core.keywords import settings_for
    from weakse.training.recipes import all_settings
    from weakse.training.selective import (
        embedding_bank, make_joint_task, make_scenes, make_selective, train_selective)
    s = all_settings(train_selective, **small | dict(batch_size=4, residual_share=1.0, depth=2))
    sound_types = pd.DataFrame(
        {'class': names.names, 'kind': ['speech', 'transient', 'stationary'], 'seen': True})
    scenes = make_scenes(Store(), sound_types, **settings_for(make_scenes, s))
    model = make_selective(Store(), **settings_for(make_selective, s))
    task = make_joint_task(model, **settings_for(make_joint_task, s))
    logs = [task.step(scenes.batch(i)) for i in range(2)]
    return logs, task.model.state_dict(), embedding_bank(task.best.eval(), Store(), 2)

@job
def paired_training(d, tmp):
    from weakse.training.segan import train_segan
    from weakse.training.wave_unet import train_wave_unet
    from weakse.models.registry import load_system
    same = dict(steps=2, batch_size=2, progress=False, valid_every=1, checkpoint_every=1)
    train_wave_unet(d/'pairs', tmp/'w', width=.1, depth=2, schedule='constant', **same)
    train_segan(d/'pairs', tmp/'s', width=1/16, n_reference=2, **same)
    return [load_system(tmp/n).model.state_dict() for n in 'ws']

@job
def tagger_training(d, tmp):
    from weakse.detectors.small import SmallDetector
    from weakse.training.tagger import fit_small
    torch.manual_seed(0)
    with torch.device('cpu'):
        model = SmallDetector(names, 8000, width=2)
    with torch.no_grad():
        mels = [model.logmel(w).half() for w in Store().wav(np.arange(18))]
    losses = fit_small(
        model, mels, np.eye(3, dtype=np.float32)[Store.classes], steps=3, batch_size=4, n_frames=40,
        progress=False)
    return losses, model.state_dict()

@job
def scores(d, tmp):
    from weakse.evaluation.sdr import si_sdr
    from weakse.corpora.recorded_scenes import loudest
    return si_sdr(torch.from_numpy(WAV[0]), torch.from_numpy(WAV[1])), loudest(
        torch.from_numpy(WAV[0]), 3000)

@pytest.mark.parametrize('name', jobs)
def test_same_result(made, tmp_path, name):
    for n in ('plain', 'odd'):
        (tmp_path/n).mkdir()
    expected = flat(jobs[name](made, tmp_path/'plain'))
    before = torch.get_default_dtype()
    torch.set_default_device('meta')
    torch.set_default_dtype(torch.float64)
    try:
        found = jobs[name](made, tmp_path/'odd')
    finally:
        torch.set_default_device(None)
        torch.set_default_dtype(before)
    assert flat(found)==expected
