"""OpenMP's threads sleep where they wait, however weakse is started: a busy core beside a training must not
slow it tenfold."""
import os, subprocess, sys
from pathlib import Path
import pytest

root = Path(__file__).parents[1]

def said(code, **env):
    "What OpenMP says of itself when torch loads it."
    clean = {k: v for k,v in os.environ.items() if not k.startswith(('OMP_', 'GOMP_', 'KMP_'))}
    env = {**clean, 'PYTHONPATH': str(root), 'OMP_DISPLAY_ENV': 'VERBOSE', 'OMP_NUM_THREADS': '1', **env}
    done = subprocess.run([sys.executable, '-c', code], cwd=root, env=env, capture_output=True, text=True)
    assert done.returncode==0, done.stderr[-2000:]
    return done.stderr

@pytest.mark.parametrize(
    'code',
    [
        'import weakse.training.loop', 'from weakse.inference.enhance import enhance',
        'import weakse.cli.main as c; c.app; import weakse.training.selective'],
)
def test_threads_sleep_where_they_wait(code):
    env = said(code)
    if 'OPENMP DISPLAY ENVIRONMENT' not in env:
        pytest.skip("this torch brings another OpenMP than GNU's")
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in env and "GOMP_SPINCOUNT = '0'" in env

def test_a_person_may_choose_otherwise():
    env = said('import weakse, torch', OMP_WAIT_POLICY='ACTIVE')
    assert 'PASSIVE' not in env

def test_the_command_s_help_still_loads_no_torch():
    assert 'OPENMP' not in said('import weakse.cli.main, sys; assert "torch" not in sys.modules')
