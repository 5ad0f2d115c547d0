"""A training that is killed at any moment goes on, to the same bits: in the middle of a step, of a checkpoint, of its
finished weights; by a signal, and by a full disk."""
import json, os, subprocess, sys
from pathlib import Path
import pytest

HERE = Path(__file__).parent
pytestmark = [pytest.mark.scale, pytest.mark.skipif(not hasattr(os, 'fork'), reason="the system has no fork")]

@pytest.fixture(scope='module')
def seen(tmp_path_factory):
    env = {**os.environ, 'PYTHONPATH': os.pathsep.join([str(HERE.parent), str(HERE)]), 'OMP_NUM_THREADS': '1'}
    folder = tmp_path_factory.mktemp('killed')
    done = subprocess.run(
        [sys.executable, str(HERE/'kills.py'), str(folder), '20'], env=env, capture_output=True, text=True)
    assert done.returncode==0, done.stderr[-3000:]
    return json.loads((folder/'found.json').read_text())

def test_killed_at_twenty_moments_it_learns_the_same(seen):
    run = seen['any']
    assert (run['calm'], run['kills'], run['code']) == (0, 20, 0)
    assert run['bits']==seen['calm_bits'] and run['left']==[]

@pytest.mark.parametrize('n,saved', [(1, []), (3, [3, 6])])
def test_killed_while_a_checkpoint_is_written(seen, n, saved):
    "What was there before stays, and half a file is none."
    run = seen[f'half{n}']
    assert run['code']==-9 and run['saved']==saved
    assert run['then']==dict(code=0, bits=seen['calm_bits'], left=[])

def test_killed_while_the_system_is_written(seen):
    run = seen['system']
    assert run['code']==-9 and 'config.json' not in run['there'] and run['saved']==[15, 18]
    assert run['then']==dict(code=0, bits=seen['calm_bits'], left=[])

def test_a_full_disk_loses_no_checkpoint(seen):
    run = seen['full']
    assert run['code']==3 and 'the disk is full' in run['said'] and run['saved']==[3, 6]
    assert run['then']==dict(code=0, bits=seen['calm_bits'], left=[])

@pytest.mark.parametrize('number,name', [(2, 'SIGINT'), (15, 'SIGTERM')])
def test_asked_to_end_it_saves_and_says_where(seen, number, name):
    run = seen[f'asked{number}']
    assert run['code']==128 + number and run['saved']==[6, 7]
    assert f'train: stopped by {name} after step 7 of 20, which is saved in' in run['said'].replace('\n', ' ')
    assert 'Traceback' not in run['said'] and run['then']==0
    assert run['bits']==seen['asked0']['bits']   # of one that nobody asked

def test_a_loss_that_is_not_finite_leaves_its_clips(seen):
    run = seen['sick']
    assert run['code']==3 and run['said'].startswith('FloatingPointError: loss is nan at step 7')
    assert 'the clips of that batch are in' in run['said']
    assert {'clips.csv', 'batch.pt', '000_mix.wav', '003_target.wav'} <= {*run['kept']}
