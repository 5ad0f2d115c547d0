"A fresh clone: what is committed is enough, and making it again changes nothing."
import os, re, shutil, subprocess, sys
from pathlib import Path
import pytest

root = Path(__file__).parents[1]
path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH','')])

def run(*args, cwd, **env):
    return subprocess.run(
        list(map(str, args)), cwd=cwd, capture_output=True, text=True, env={**os.environ, 'PATH': path, **env}
    )

@pytest.fixture(scope='module')
def clone(tmp_path_factory):
    "The committed state of this checkout."
    if shutil.which('git') is None or not (root/'.git').exists():
        pytest.skip("needs git and a checkout")
    folder = tmp_path_factory.mktemp('fresh')/'weakse'
    done = run('git', 'clone', '-q', root, folder, cwd=root)
    if done.returncode:
        pytest.skip(f"cannot clone: {done.stderr}")
    return folder

def test_export_and_clean_leave_git_unchanged(clone):
    for command in ('nbdev_clean','nbdev_export'):
        done = run(command, cwd=clone, PYTHONPATH=str(clone))
        assert done.returncode==0, done.stderr[-3000:]
    status = run('git', 'status', '--porcelain', cwd=clone).stdout
    assert status=='', status+run('git', 'diff', cwd=clone).stdout[:3000]

def test_raw_input_needs_no_remote(clone):
    done = run(sys.executable, '-m', 'dvc', 'repro', 'data.dvc', cwd=clone)
    assert done.returncode==0, done.stderr
    assert sorted(p.name for p in (clone / 'data').iterdir()) == sorted(
        p.name for p in (clone / 'sources').iterdir())
    assert run('git', 'status', '--porcelain', '--', '.gitignore', 'dvc.yaml', cwd=clone).stdout==''

def test_stages_can_be_read(clone):
    done = run(sys.executable, '-m', 'dvc', 'stage', 'list', cwd=clone)
    assert done.returncode==0, done.stderr
    for stage in ('corpus','tagger','detect','mine','train@unet','enhance@weakse','score@oracle','table1'):
        assert stage in done.stdout

def test_every_make_word_of_the_readme_exists():
    words = set(re.findall(r'(?m)(?:^|`)make ([a-z0-9]+)', (root/'README.md').read_text(encoding='utf-8')))
    assert {'repro','test'} <= words
    for word in words:
        done = run('make', '-n', word, cwd=root)
        assert done.returncode==0, f"make {word}: {done.stderr}"

def test_ten_lines_of_the_readme_run():
    "The README's own lines, with the system that `make repro` trained; or in a run's folder."
    places = [root, *sorted((root/'runs').glob('*'))]
    place = next(
        (
            p for p in places if (p / 'artifacts/models/unet/config.json').is_file()
            and any((p / 'artifacts/pairs/noisy').glob('*.wav'))),
        None,
    )
    if place is None:
        pytest.skip("needs a trained system: run `make repro` first")
    code = re.search(r'```python\n(.*?)```', (root/'README.md').read_text(encoding='utf-8'), re.S)[1]
    assert len([l for l in code.splitlines() if l.strip()]) <= 12
    done = run(sys.executable, '-c', code, cwd=place, OMP_NUM_THREADS='1')
    (place/'artifacts/enhanced.wav').unlink(missing_ok=True)
    assert done.returncode==0 and 'pesq' in done.stdout, done.stderr[-3000:]

def test_actions_are_pinned_by_commit():
    for workflow in (root/'.github'/'workflows').glob('*.yaml'):
        for action in re.findall(r'uses: (\S+)', workflow.read_text()):
            assert re.search(r'@[0-9a-f]{40}$', action), action
