"""Nothing is destroyed that weakse did not make: a canary tree beside every run is compared by hash."""
import hashlib, os, sys
import numpy as np, pytest, soundfile as sf, torch
from pathlib import Path
from weakse.files import (ForeignPathError, atomic_path, check_output, is_own, made_by, marker, own_folder, remove_own,
                          write_json)
from weakse.inference import checkpointed_stretches, enhance_pairs
from weakse.train import Checkpoint

def tree(folder):
    "Relative path -> hash of every file below a folder."
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.rglob('*')) if p.is_file()}

@pytest.fixture
def canary(tmp_path):
    "A folder of somebody's own files; the test fails if one of them is not there any more, or is another."
    folder = tmp_path/'theirs'
    (folder/'sub').mkdir(parents=True)
    for name in ('thesis.tex', 'sub/take.wav', 'config.json', 'step_00000001.pt'): (folder/name).write_text(name)
    before = tree(folder)
    yield folder
    assert tree(folder)==before

@pytest.fixture
def pairs(tmp_path):
    "Two pairs of half a second."
    folder,rng = tmp_path/'pairs',np.random.default_rng(0)
    for part in ('clean','noisy'):
        (folder/part).mkdir(parents=True)
        for name in ('a','b'): sf.write(folder/part/f'{name}.wav', .1*rng.standard_normal(8000), 16000)
    return folder

_touched = None
def _heard(event, args):
    "Remember every path that is opened for writing, renamed or removed while somebody listens."
    if _touched is None: return
    if event=='open' and isinstance(args[0], str) and isinstance(args[1], str) and set(args[1]) & set('wax+'): _touched.add(args[0])
    if event in ('os.rename','os.remove','os.rmdir','os.mkdir','shutil.rmtree'):
        _touched.update(str(a) for a in args[:2] if isinstance(a, (str, os.PathLike)))
sys.addaudithook(_heard)

@pytest.fixture
def touched():
    "The paths that were written, renamed or removed during a test."
    global _touched
    _touched = set()
    yield _touched
    _touched = None

def test_a_folder_is_replaced_only_if_it_is_own(tmp_path, canary):
    with pytest.raises(ForeignPathError, match='did not make'):
        with atomic_path(canary) as tmp: tmp.mkdir()
    own = tmp_path/'own'
    for _ in range(2):
        with atomic_path(own) as tmp: tmp.mkdir()
    assert is_own(own) and (own/marker).read_text()==made_by
    remove_own(canary); remove_own(own)
    assert not own.exists()

def test_a_file_never_replaces_a_folder_nor_a_folder_a_file(tmp_path):
    own,file = own_folder(tmp_path/'own'),tmp_path/'file.txt'
    file.write_text('mine')
    with pytest.raises(ForeignPathError, match='is a folder'): write_json(own, {})
    with pytest.raises(ForeignPathError, match='is a file'):
        with atomic_path(file) as tmp: tmp.mkdir()
    assert file.read_text()=='mine' and own.is_dir()

def test_a_marker_is_only_put_where_weakse_made_or_found_nothing(canary, tmp_path):
    own_folder(canary)
    (tmp_path/'empty').mkdir()
    assert is_own(own_folder(tmp_path/'empty')) and not is_own(canary)
    with pytest.raises(ForeignPathError): own_folder(canary, anew=True)

def test_an_input_is_no_output_by_any_of_its_names(tmp_path):
    own = own_folder(tmp_path/'own')
    source = own/'in.wav'
    source.write_text('x')
    os.link(source, tmp_path/'hard.wav')
    (tmp_path/'soft.wav').symlink_to(source)
    for out in (own, source, tmp_path/'hard.wav', tmp_path/'soft.wav'):
        with pytest.raises(ForeignPathError, match='input'): check_output(out, [source])
    check_output(own/'new.wav', [source])

def test_enhance_pairs_keeps_what_is_not_its_own(tmp_path, pairs, canary, touched):
    before = tree(pairs)
    for out in (canary, pairs, pairs/'clean', pairs/'noisy'):
        with pytest.raises(ForeignPathError): enhance_pairs(pairs, 'noisy', out, progress=False)
    own_folder(tmp_path/'up')
    os.rename(pairs, tmp_path/'up'/'pairs')
    with pytest.raises(ForeignPathError): enhance_pairs(tmp_path/'up'/'pairs', 'noisy', tmp_path/'up', progress=False)
    os.rename(tmp_path/'up'/'pairs', pairs)
    touched.clear()
    for _ in range(2): enhance_pairs(pairs, 'noisy', tmp_path/'out', progress=False)
    assert tree(pairs)==before and sorted(p.name for p in (tmp_path/'out').glob('*.wav'))==['a.wav','b.wav']
    assert touched and not [p for p in touched if Path(p).is_relative_to(pairs) or Path(p).is_relative_to(canary)]

class Task:
    def state_dict(self): return {}
    def load_state_dict(self, state): pass

def test_other_checkpoints_stay_until_there_is_a_new_one(tmp_path):
    folder = tmp_path/'ck'
    old = Checkpoint(folder, 10, task=Task(), settings=dict(steps=60))
    for step in (40, 50): old.save(step)
    new = Checkpoint(folder, 10, task=Task(), settings=dict(steps=61))
    with pytest.warns(UserWarning, match='steps=60'): assert new.restore()==0
    assert [p.name for p in new.files]==['step_00000040.pt','step_00000050.pt']
    new.save(10)
    assert [p.name for p in new.files]==['step_00000010.pt']
    new.clear()
    assert not folder.exists()

def test_a_checkpoint_folder_loses_only_its_own_files(canary, touched):
    save = Checkpoint(canary, 1, task=Task())
    with pytest.warns(UserWarning, match='cannot be read'): assert save.restore()==0
    save.save(2)
    save.clear()
    assert not [p for p in touched if Path(p).name in ('thesis.tex','step_00000001.pt')]

def test_the_second_run_says_who_is_writing(tmp_path):
    plan = dict(f=lambda read, a, b: read(a, b), n=400, block=100, overlap=10)
    def run(): return checkpointed_stretches(tmp_path/'m.wav', 'key', 1, plan, lambda a, b: torch.zeros(1, b - a))
    first = run()
    next(first)
    with pytest.raises(BlockingIOError, match=f'process {os.getpid()}'): next(run())
    list(first)
    assert sum(w.shape[-1] for w in run())==400

def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    "A process that is killed while it writes leaves a hidden file; the next one removes it, and only it."
    import subprocess, sys
    code = ("import os, sys; from weakse.files import atomic_path\n"
            "with atomic_path(sys.argv[1]) as tmp: tmp.write_text('half'); os.kill(os.getpid(), 9)")
    subprocess.run([sys.executable, '-c', code, str(tmp_path/'a.txt')], env={**os.environ, 'PYTHONPATH':os.pathsep.join(sys.path)})
    (tmp_path/'.mine.tmp.txt').write_text('mine')
    left = {p.name for p in tmp_path.iterdir()} - {'.mine.tmp.txt'}
    assert len(left)==1 and left.pop().startswith('.weakse-')
    with atomic_path(tmp_path/'b.txt') as tmp:
        assert {p.name for p in tmp_path.iterdir()}=={'.mine.tmp.txt'}
        tmp.write_text('whole')
    assert {p.name for p in tmp_path.iterdir()}=={'.mine.tmp.txt','b.txt'}
