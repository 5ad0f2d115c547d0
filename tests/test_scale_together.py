"""Several processes that train together learn what one learns, go on with another number of them, and say in one
line what is missing. Gloo on this machine's CPU; `make test-scale`."""
import json, os, subprocess, sys
from pathlib import Path
import pytest, torch
from trainings import RECIPES, make_folders, write_params
from weakse.core.devices import DeviceError
from weakse.training.together import WorldError, _place, together
from worlds import free_port

pytestmark = pytest.mark.scale
HERE = Path(__file__).parent
ENV = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(HERE.parent), str(HERE)]), 'OMP_NUM_THREADS': '1'}

@pytest.fixture(scope='module')
def seen(tmp_path_factory):
    "All recipes for four steps, in one, two and four processes, and stopped and gone on with."
    folder = tmp_path_factory.mktemp('together')
    done = subprocess.run([sys.executable, str(HERE/'worlds.py'), str(folder)], env=ENV, capture_output=True, text=True)
    assert done.returncode==0, done.stderr[-3000:]
    return json.loads((folder/'found.json').read_text())

# Adam makes a step of its full rate of a gradient that is all but zero, whichever sign its last bits have: single
# weights differ by more than the last bits, all of them together by a hundredth of the way that the run has gone
@pytest.mark.parametrize('n', ['two', 'four'])
@pytest.mark.parametrize('name', RECIPES)
def test_several_processes_learn_what_one_does(seen, name, n):
    run = seen[name]
    assert all(all(c==0 for c in run['runs'][k]['codes']) for k in ('one', n)), run['runs']
    assert run['names'][n] and run['distance'][n] < .03
    assert run['distance']['start']==1   # the measure: how far it has come since its first step

@pytest.mark.parametrize('name', ['weak', 'selective', 'wave_unet'])
def test_one_process_goes_on_where_two_were_stopped(seen, name):
    "The signal came to the second process alone: both ended after the same step, and the first saved."
    run = seen[name]
    first,second = run['runs']['half']['said']
    assert 'TrainingStopped: stopped by a signal after step 2 of 4, which is saved in' in first
    assert second.endswith('TrainingStopped: ')
    assert run['runs']['then']['codes']==[0] and run['distance']['half'] < .03

def torchrun(n, *words):
    "Run words in `n` processes that find each other."
    return subprocess.run(
        [sys.executable, '-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', str(n), *map(str, words)],
        env=ENV, capture_output=True, text=True)

def test_the_command_speaks_and_writes_once(tmp_path):
    folder = make_folders(tmp_path)
    write_params(tmp_path/'p.yaml', steps=2)
    done = torchrun(
        2, '-m', 'weakse', 'train', folder/'anchors', folder/'mined', tmp_path/'unet', '--params', tmp_path/'p.yaml',
        '--json', tmp_path/'unet.json', '--watch', tmp_path/'watch')
    assert done.returncode==0, done.stderr[-3000:]
    assert done.stdout.count('2 steps, a system in')==1
    report = json.loads((tmp_path/'unet.json').read_text())
    assert (report['processes'], report['steps']) == (2, 2)
    assert (tmp_path/'watch/curve.csv').is_file() and not (tmp_path/'unet.checkpoints').exists()

def test_a_verb_for_one_process_says_so(monkeypatch, tmp_path):
    from weakse.cli.stage_verbs import run_stage
    monkeypatch.setenv('RANK', '1')
    monkeypatch.setenv('WORLD_SIZE', '2')
    with pytest.raises(ValueError, match='`mine` runs in one process, and torchrun started 2: start it without'):
        run_stage('mine', {})

def told(monkeypatch, **more):
    "What torchrun tells the first of two processes."
    env = dict(RANK=0, WORLD_SIZE=2, LOCAL_RANK=0, MASTER_ADDR='127.0.0.1', MASTER_PORT=free_port()) | more
    for k,v in env.items():
        monkeypatch.setenv(k, str(v))

def test_who_is_missing_is_said_in_one_line(monkeypatch):
    told(monkeypatch)
    with pytest.raises(WorldError, match='process 0 of 2 did not find the others at 127.0.0.1:.* within 2 s'):
        with together(timeout=2):
            pass

def test_a_device_for_each(monkeypatch):
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 1)
    assert _place(torch.device('cuda'), 0, 1)==torch.device('cuda', 0)
    with pytest.raises(WorldError, match='2 processes were started on this machine, which has 1 CUDA device: start'):
        _place(torch.device('cuda'), 0, 2)
    with pytest.raises(WorldError, match="`device` is 'cuda:0' for each of 2 processes; name 'cuda'"):
        _place(torch.device('cuda:0'), 0, 2)

def test_a_device_that_is_not_there(monkeypatch):
    told(monkeypatch, WEAKSE_DEVICE='cuda')
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    monkeypatch.setattr(torch.cuda, 'device_count', lambda: 0)
    with pytest.raises(DeviceError, match="WEAKSE_DEVICE is 'cuda', which this machine .* at hand: cpu"):
        with together(timeout=2):
            pass
