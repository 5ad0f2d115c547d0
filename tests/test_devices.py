"""One device parameter: what is carried to a device and back, counted on one that is made up; the same
numbers on each; and the messages for one that is not there."""
import inspect, os, subprocess, sys
from pathlib import Path
import commands, numpy as np, pandas as pd, pytest, torch
from weakse.core import resampling
from weakse.core.devices import DEVICE_VARIABLE, DeviceError, device_of, device_words, pick_device, use_device
from weakse.core.files import read_json, write_json
from weakse.core.labels import Vocabulary
from weakse.core.params import Block
from weakse.core.resampling import batch_resample, import_torchaudio, resample, torchaudio_resample
from weakse.core.schema import ParamsError
from weakse.core.spectrogram import LogMel, power_spectrogram
from weakse.detectors.protocol import clip_tags, detect, load_detector
from weakse.detectors.small import SmallDetector, save_small
from weakse.evaluation.device_table import write_device_table
from weakse.inference.enhance import enhance
from weakse.inference.extract import extract
from weakse.inference.sequence import extract_sequence
from weakse.inference.stream import Stream
from weakse.mining.detection import detect_anchors
from weakse.models.registry import load_system, save_system
from weakse.models.segan import SEGAN
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.wave_unet import WaveUNet
from weakse.training.losses import make_loss
from weakse.training import tasks
from weakse.training.tagger import fit_small
from weakse.training.tasks import WeakTask
from elsewhere import ELSEWHERE, elsewhere

without_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")
def needs_gpu(test):
    "With the mark of such tests, `make test-cuda`."
    return pytest.mark.cuda(without_gpu(test))

names = Vocabulary(["Speech", "Dog", "Rain"], thresholds=[.02]*3)
small = dict(depth=2, n_fft=128, hop_length=32, width=1/8)
nets = dict(
    unet=lambda: ConditionalUNet(3, **small),
    selective=lambda: SelectiveNet(3, n_embed=3, channels=(4, 4), **small),
    wave_unet=lambda: WaveUNet(width=1/8, depth=4),
    segan=lambda: SEGAN(width=1/16))

def noise(*shape, seed=0):
    return .1*torch.randn(*shape, generator=torch.Generator().manual_seed(seed))

@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    "Untrained systems."
    torch.manual_seed(0)
    out = {}
    for name,make in nets.items():
        plain = name in ('wave_unet', 'segan')
        out[name] = save_system(
            make(), tmp_path_factory.mktemp(name), sample_rate=16000, vocabulary=None if plain else names,
            bank=None if plain else torch.eye(3), config=dict(block=0.5))
    return out

@pytest.fixture(scope='module')
def tagger(tmp_path_factory):
    "An untrained small detector."
    torch.manual_seed(1)
    return save_small(SmallDetector(names, width=2), tmp_path_factory.mktemp('tagger')/'small')

# what is carried for a second of sound in blocks of half a second, beside the weights: the condition once,
# then a block in and a block out; SEGAN draws its random codes on the CPU, so that all devices have the same
@pytest.mark.parametrize('name', nets)
def test_a_block_goes_in_and_comes_out(folders, name, monkeypatch):
    wav,how = noise(1, 16000),dict(precision='float32', block=.5)
    here = enhance(wav, 16000, load_system(folders[name], device='cpu'), **how)
    with elsewhere(monkeypatch) as carried:
        system = load_system(folders[name], device=ELSEWHERE)
        assert system.device==ELSEWHERE
        carried.clear()
        there = enhance(wav, 16000, system, **how)
    assert torch.equal(here, there)
    outs = [shape for way,shape in carried if way=='out']
    ins = [shape for way,shape in carried if way=='in']
    assert len(outs)==2 and all(s[0]==1 and s[1]>8000 for s in outs)
    expected = dict(unet=3, selective=3, wave_unet=2, segan=4)[name]
    assert len(ins)==expected, carried

def test_a_stream_carries_a_block_in_and_out(folders, monkeypatch):
    wav,how = noise(16000),dict(block=.25, precision='float32', sample_rate=16000)
    def run(device):
        stream = Stream(folders['unet'], device=device, **how)
        return stream,torch.cat([stream.push(x) for x in wav.split(1000)])
    here = run('cpu')[1]
    with elsewhere(monkeypatch) as carried:
        stream,there = run(ELSEWHERE)
        weights = len(stream.system.f.model.state_dict())
        moved = carried[weights:]
    assert torch.equal(here, there)
    asked = [way for way,shape in moved if shape==(3,)]      # the condition: of the stream, and of its blocks
    ways = [way for way,shape in moved if shape!=(3,)]
    assert asked==['in']*2 and ways==['in','out']*(len(ways)//2) and len(ways) > 3

def test_a_training_step_takes_a_batch_and_tells_numbers(monkeypatch):
    batch = dict(mix=noise(2, 4000), cond=torch.rand(2, 3), target=noise(2, 4000, seed=1))
    def run(device):
        torch.manual_seed(0)
        task = WeakTask(
            ConditionalUNet(3, **small), make_loss({'waveform_mae': 1.0}), 1e-3, ema=.9,
            precision='float32', layout='contiguous', device=device)
        return task,task.step(batch)
    here,told = run('cpu')
    with elsewhere(monkeypatch) as carried:
        there,told_there = run(ELSEWHERE)
        carried.clear()
        there.step(batch)
        ins,outs = ([s for way,s in carried if way==w] for w in ('in', 'out'))
    here.step(batch)
    assert ins==[(2, 4000), (2, 3), (2, 4000)]
    assert len(outs)==1 and len(outs[0])==1                                          # the numbers of the step
    assert told==told_there
    for k,v in here.model.state_dict().items():
        assert torch.equal(v, there.model.state_dict()[k]), k

def test_a_detector_takes_a_recording_and_gives_curves(tagger, monkeypatch):
    class Clips:
        sample_rate = 8000
        table = pd.DataFrame(dict(seconds=[1., 2.]))
        def __len__(self): return 2
        def load(self, i): return noise(8000*(i+1), seed=i)
    def run(device):
        detector = load_detector(tagger, device=device)
        return detector,lambda: (
            detect(noise(20000), 8000, detector), clip_tags(detector, Clips(), progress=False))
    here = run('cpu')[1]()
    with elsewhere(monkeypatch) as carried:
        detector,work = run(ELSEWHERE)
        assert device_of(detector)==ELSEWHERE
        carried.clear()
        monkeypatch.setattr(resampling, 'import_torchaudio', lambda: (None, 'not here'))
        with pytest.warns(UserWarning, match="resampling on the CPU.*not here"):
            there = work()
    assert [way for way,_ in carried]==['in','out']*2
    assert here[0].equals(there[0]) and np.array_equal(here[1], there[1])

def test_what_extracts_computes_where_it_is_told(folders, tagger, monkeypatch):
    wav,targets = noise(16000),['Dog', (noise(16000, seed=3), 16000)]
    def run(device):
        how = dict(device=device, precision='float32', detector=None)
        return (
            extract(wav, 16000, keep='Dog', system=folders['unet'], **how),
            extract_sequence(folders['selective'], wav, targets, 16000, **how))
    here,pair = run('cpu')
    with elsewhere(monkeypatch):
        there,pair_there = run(ELSEWHERE)
    assert torch.equal(here.kept, there.kept)
    assert all(torch.equal(a, b) for x,y in zip(pair, pair_there) for a,b in zip(x, y))

def test_a_loaded_system_stays_or_moves_when_told(folders):
    system = load_system(folders['unet'], device='cpu')
    assert load_system(system) is system and load_system(system, device='cpu').device.type=='cpu'
    assert load_system(system, device=ELSEWHERE).device==ELSEWHERE
    assert load_system('wiener').to('cpu').device.type=='cpu'

# ---- the name of a device

@pytest.mark.parametrize('name,said', [
    ('gpu', "`device` is 'gpu'; known: auto, cpu, cuda, cuda:N, mps"),
    ('cuda:x', "known: auto, cpu"), ('cpu:0', "known: auto"), ('', "known: auto"), ('meta', "known: auto"),
    ('cuda:77', "does not have; at hand: ")])
def test_an_unknown_or_absent_device_is_one_line_with_a_remedy(name, said):
    with pytest.raises(DeviceError) as e:
        pick_device(name)
    assert said in str(e.value) and '\n' not in str(e.value) and "'auto'" in str(e.value)

def test_auto_takes_the_fastest_at_hand(monkeypatch):
    monkeypatch.delenv(DEVICE_VARIABLE, raising=False)
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: False)
    assert str(pick_device())=='cpu' and device_words()=='the CPU'
    monkeypatch.setattr(torch.backends.mps, 'is_available', lambda: True)
    assert str(pick_device())=='mps'
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: True)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 2)
    assert str(pick_device('auto'))=='cuda' and str(pick_device('cuda:1'))=='cuda:1'
    monkeypatch.setattr(torch.cuda, 'get_device_name', lambda d: 'a card')
    assert device_words()=='cuda (a card)'
    monkeypatch.setenv(DEVICE_VARIABLE, 'cpu')
    assert str(pick_device())=='cpu' and str(pick_device('mps'))=='mps'

def test_the_variable_is_as_before_after_a_block_and_after_an_error(monkeypatch):
    monkeypatch.setenv(DEVICE_VARIABLE, 'auto')
    with pytest.raises(KeyError), use_device('cpu'):
        assert os.environ[DEVICE_VARIABLE]=='cpu'
        raise KeyError
    assert os.environ[DEVICE_VARIABLE]=='auto'
    monkeypatch.delenv(DEVICE_VARIABLE)
    with use_device('cpu'):
        pass
    assert DEVICE_VARIABLE not in os.environ

def test_the_device_is_no_parameter_of_a_run():
    with pytest.raises(ParamsError, match="`anchors.device` is no parameter.*WEAKSE_DEVICE"):
        Block('anchors', dict(device='cuda'), {}).kwargs(detect_anchors)
    for path in [*Path('params').glob('*.yaml'), Path('params.yaml'), Path('dvc.yaml')]:
        assert 'device' not in path.read_text(encoding='utf-8'), path

def test_every_door_leaves_the_device_to_whoever_calls():
    from weakse.app.server import serve
    from weakse.detectors import efficientat, panns, protocol, small
    from weakse.evaluation.ablation import ablate
    from weakse.evaluation.experiments import run_experiments
    from weakse.inference import detecting, enhance, extract, extract_files, mixer, sequence, stream
    doors = [
        load_system, protocol.load_detector, protocol.detect, small.load, panns.load, panns.prepare,
        efficientat.load, efficientat.prepare, enhance.enhance, enhance.enhance_file, enhance.enhance_files,
        enhance.enhance_pairs, extract.extract, extract_files.extract_file, extract_files.extract_files,
        sequence.extract_sequence, stream.Stream, mixer.Mixer, detecting.detect_file, detecting.detect_long,
        detect_anchors, run_experiments, ablate, serve]
    for f in doors:
        p = inspect.signature(f).parameters['device']
        assert p.default is None and p.kind is p.KEYWORD_ONLY, f

def test_every_verb_that_computes_has_the_option():
    import weakse.cli.main
    from weakse.cli.command import app
    found = {
        c.name for c in app.registered_commands if 'device' in inspect.signature(c.callback).parameters}
    assert found >= set(
        'tagger detect train train_paired train_selective enhance extract selective ablate additive compare combine trials app'.split())

def test_the_command_says_where_it_ran_and_what_is_not_there(tmp_path):
    import soundfile as sf
    sf.write(tmp_path/'a.wav', noise(8000).numpy(), 16000)
    def run(*words):
        said = 'enhance', 'a.wav', '-o', 'out', '--system', 'noisy', *words
        return commands.run(*said, cwd=tmp_path, text=True, env=dict(WEAKSE_DEVICE=''))
    r = run('--device', 'cpu')
    assert r.returncode==0 and 'on the CPU (' in r.stdout.splitlines()[-1], r
    r = run('--device', 'cuda:99')
    assert r.returncode==1 and "'cuda:99'" in r.stderr and 'Traceback' not in r.stderr

# ---- torchaudio behind its door

@pytest.fixture
def torchaudio(monkeypatch):
    "torchaudio; where its compiled part does not load, its Python alone, which is all that is used of it."
    found,_ = import_torchaudio()
    if found is not None: return found
    import importlib, types
    for name in [n for n in sys.modules if n.partition('.')[0]=='torchaudio']:
        monkeypatch.delitem(sys.modules, name)
    stand_in = types.ModuleType('torchaudio._extension')
    stand_in.fail_if_no_align = lambda f: f
    stand_in._IS_TORCHAUDIO_EXT_AVAILABLE = stand_in._IS_RIR_AVAILABLE = False
    stand_in._IS_ALIGN_AVAILABLE = False
    monkeypatch.setitem(sys.modules, 'torchaudio._extension', stand_in)
    try:
        made = importlib.import_module('torchaudio')
    except (ImportError, OSError) as e:
        pytest.skip(f"torchaudio cannot be imported here: {e}")
    yield made
    for name in [n for n in sys.modules if n.partition('.')[0]=='torchaudio']:
        del sys.modules[name]

@pytest.mark.parametrize('rates', [(16000, 32000), (44100, 16000), (16000, 22050)])
def test_torchaudio_resamples_as_soxr_does(torchaudio, rates):
    t = torch.arange(rates[0]).double()/rates[0]
    wav = torch.stack([.5*torch.sin(2*torch.pi*f*t).float() for f in (440, 1250, 5000)])
    ours,theirs = resample(wav, *rates),torchaudio_resample(torchaudio, wav, *rates)
    assert ours.shape==theirs.shape
    assert (ours-theirs)[:, 500:-500].abs().max() < 5e-3

@pytest.mark.parametrize('n', [100, 256, 257, 16001])
def test_torchaudio_gives_our_spectrogram(torchaudio, n):
    wav = noise(2, n)
    ours,theirs = (power_spectrogram(wav, 512, 160, module) for module in (None, torchaudio))
    assert ours.shape==theirs.shape and torch.allclose(ours, theirs, rtol=1e-4, atol=1e-7)
    bank = torchaudio.functional.melscale_fbanks(
        257, 50., 8000., 64, 16000, norm='slaney', mel_scale='slaney').T
    assert torch.allclose(LogMel(16000, 512, 160).bank, bank, atol=1e-6)

def test_a_batch_is_resampled_where_it_is_wanted(torchaudio, monkeypatch):
    monkeypatch.setattr(resampling, 'import_torchaudio', lambda: (torchaudio, ''))
    wav = noise(2, 8000)
    assert torch.equal(batch_resample(wav, 8000, 16000), resample(wav, 8000, 16000))     # the CPU: soxr
    with elsewhere(monkeypatch) as carried:
        there = batch_resample(wav, 8000, 16000, ELSEWHERE)
        assert there.device==ELSEWHERE and ('in', (2, 8000)) in carried and 'out' not in dict(carried)
    assert torch.equal(there.held, torchaudio_resample(torchaudio, wav, 8000, 16000))

def test_a_shut_door_is_explained():
    module,reason = import_torchaudio()
    assert (module is None)==bool(reason)
    if module is None:
        assert 'Error: ' in reason and '\n' not in reason

@needs_gpu
def test_a_gpu_agrees_with_the_cpu(folders):
    for name,folder in folders.items():
        a,b = (
            enhance(noise(1, 16000), 16000, folder, device=d, precision='float32') for d in ('cpu', 'cuda'))
        assert (a-b).abs().max() < 1e-4, name

@pytest.mark.parametrize('device,backend', [('cuda:1', 'cpu:gloo,cuda:nccl'), ('cpu', 'gloo')])
def test_processes_on_gpus_meet_over_nccl(monkeypatch, device, backend):
    "What lies on a GPU goes over NCCL, the decisions that all take alike over Gloo; no GPU is needed to see it chosen."
    from weakse.training import together
    asked = []
    monkeypatch.setattr(together.dist, 'init_process_group', lambda backend, **how: asked.append(backend))
    together._meet(torch.device(device), 1)
    assert asked==[backend]

@needs_gpu
def test_all_gpus_of_this_machine_train_together(tmp_path):
    from trainings import make_folders, write_params
    n = torch.cuda.device_count()
    n = max(k for k in (1, 2, 4) if k <= n)   # of whom a batch of four is shared equally
    folder = make_folders(tmp_path)
    write_params(tmp_path/'p.yaml', steps=2)
    done = subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', str(n), '-m', 'weakse', 'train',
         *map(str, (folder/'anchors', folder/'mined', tmp_path/'unet', '--params', tmp_path/'p.yaml', '--json', tmp_path/'r.json')),
         '--device', 'cuda'], capture_output=True, text=True)
    assert done.returncode==0, done.stderr[-3000:]
    report = read_json(tmp_path/'r.json')
    assert report.get('processes', 1)==n and 'cuda' in report['device']

def test_the_tagger_takes_log_mels_and_tells_its_loss(monkeypatch):
    mels,targets = [noise(300, 64, seed=i).half() for i in range(4)],np.eye(4, 3, dtype=np.float32)
    def run(device):
        torch.manual_seed(0)
        monkeypatch.setattr(tasks, 'pick_device', lambda _: torch.device(device))
        monkeypatch.setattr(tasks, 'fastest_way', lambda *_: (torch.float32, 'channels_last'))
        model = SmallDetector(names, width=2)
        return model,fit_small(model, mels, targets, steps=3, batch_size=2, n_frames=200, progress=False)
    here,told = run('cpu')
    with elsewhere(monkeypatch) as carried:
        there,told_there = run(ELSEWHERE)
        weights = len([*there.parameters(), *there.buffers()])
    assert told==told_there and device_of(there)==ELSEWHERE
    assert [way for way,_ in carried[weights:]]==['in', 'in', 'out']*3
    assert all(torch.equal(v, there.state_dict()[k]) for k,v in here.state_dict().items())

def test_the_results_of_two_devices_are_put_side_by_side(tmp_path, monkeypatch):
    def results(folder, pesq, seconds):
        row = dict(system='weakse', pesq=dict(mean=pesq, low=1., high=3., n=2))
        write_json(tmp_path/folder/'table1.json', dict(rows=[row]))
        write_json(tmp_path/folder/'train'/'unet.json', dict(seconds=seconds))
    results('results', 2., 868.)
    results('gpu', 2.5, 31.)
    found = write_device_table(tmp_path/'results', tmp_path/'gpu', tmp_path/'gpu.json', device='a card')
    assert (found['agree'], found['of'])==(0, 1) and found['seconds']['unet']==dict(cpu=868., there=31.)
    page = (tmp_path/'gpu.md').read_text(encoding='utf-8')
    assert 'a card' in page and '**2.00 / 2.50**' in page and '| 28.0 |' in page
    with pytest.raises(ValueError, match="there is no .*table1.json"):
        write_device_table(tmp_path/'results', tmp_path/'nowhere', tmp_path/'b.json')
    assert not (tmp_path/'b.json').exists()
