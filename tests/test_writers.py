"""Nothing is destroyed that weakse did not make: a canary tree beside every run is compared by hash."""
import ast, hashlib, os, sys
import matplotlib.pyplot as plt, numpy as np, pandas as pd, pytest, soundfile as sf, torch
from pathlib import Path
from weakse.core.files import atomic_path, write_json
from weakse.core.outputs import (
    ForeignPathError, check_output, is_own, made_by, marker, own_folder, remove_own)
from weakse.app.server import write_page
from weakse.core.audio import save_audio
from weakse.corpora.audioset_clips import fetch_clips
from weakse.corpora.youtube import cut_clip
from weakse.app.audit import set_verdict
from weakse.inference.detecting import write_events
from weakse.inference.extract_files import extract_file
from weakse.core.fetch import fetch
from weakse.core.zenodo import keep_record
from weakse.evaluation.figures import save_figure
from weakse.inference.enhance import enhance_file, enhance_files, enhance_pairs
from weakse.inference.files import OutputCollisionError
from weakse.inference.resuming import checkpointed_chunks
from weakse.core.labels import Vocabulary
from weakse.app.listening_sounds import write_group
from weakse.evaluation.tables import write_readme, write_table1
from weakse.training.checkpoints import Checkpoint
from weakse.detectors.published import write_prepared

def tree(folder):
    "Relative path -> hash of every file below a folder."
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob('*')) if p.is_file()}

@pytest.fixture
def canary(tmp_path):
    "A folder of somebody's own files; the test fails if one of them is not there any more, or is another."
    folder = tmp_path/'theirs'
    (folder/'sub').mkdir(parents=True)
    for name in ('thesis.tex', 'sub/take.wav', 'config.json', 'step_00000001.pt'):
        (folder/name).write_text(name)
    before = tree(folder)
    yield folder
    assert tree(folder)==before

@pytest.fixture
def pairs(tmp_path):
    "Two pairs of half a second."
    folder,rng = tmp_path/'pairs',np.random.default_rng(0)
    for part in ('clean','noisy'):
        (folder/part).mkdir(parents=True)
        for name in ('a','b'):
            sf.write(folder/part/f'{name}.wav', .1*rng.standard_normal(8000), 16000)
    return folder

_touched = None
def _heard(event, args):
    "Remember every path that is opened for writing, renamed or removed while somebody listens."
    if _touched is None: return
    if event=='open' and isinstance(args[0], str) and isinstance(args[1], str) and set(args[1]) & set('wax+'):
        _touched.add(args[0])
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
        with atomic_path(canary) as tmp:
            tmp.mkdir()
    own = tmp_path/'own'
    for _ in range(2):
        with atomic_path(own) as tmp:
            tmp.mkdir()
    assert is_own(own) and (own/marker).read_text()==made_by
    remove_own(canary)
    remove_own(own)
    assert not own.exists()

def test_a_prepared_detector_replaces_its_own_folder_alone(tmp_path, canary):
    "The detectors whose weights are published keep a folder as the trained ones do."
    names = Vocabulary(['Speech']).with_thresholds([.5])
    with pytest.raises(ForeignPathError, match='did not make'):
        write_prepared(canary, names, [], detector='panns')
    for _ in range(2):
        write_prepared(tmp_path/'own', names, [], detector='panns')
    with pytest.raises(ForeignPathError, match='is an input'):
        write_prepared(tmp_path/'own', names, [tmp_path/'own'/'vocabulary.csv'], detector='panns')

def test_a_file_never_replaces_a_folder_nor_a_folder_a_file(tmp_path):
    own,file = own_folder(tmp_path/'own'),tmp_path/'file.txt'
    file.write_text('mine')
    with pytest.raises(ForeignPathError, match='is a folder'):
        write_json(own, {})
    with pytest.raises(ForeignPathError, match='is a file'):
        with atomic_path(file, overwrite=True) as tmp:
            tmp.mkdir()
    assert file.read_text()=='mine' and own.is_dir()

def test_a_marker_is_only_put_where_weakse_made_or_found_nothing(canary, tmp_path):
    own_folder(canary)
    (tmp_path/'empty').mkdir()
    assert is_own(own_folder(tmp_path/'empty')) and not is_own(canary)
    with pytest.raises(ForeignPathError):
        own_folder(canary, anew=True)

def test_an_input_is_no_output_by_any_of_its_names(tmp_path):
    own = own_folder(tmp_path/'own')
    source = own/'in.wav'
    source.write_text('x')
    os.link(source, tmp_path/'hard.wav')
    (tmp_path/'soft.wav').symlink_to(source)
    for out in (own, source, tmp_path/'hard.wav', tmp_path/'soft.wav'):
        with pytest.raises(ForeignPathError, match='input'):
            check_output(out, [source])
    check_output(own/'new.wav', [source])

def test_enhance_pairs_keeps_what_is_not_its_own(tmp_path, pairs, canary, touched):
    before = tree(pairs)
    for out in (canary, pairs, pairs/'clean', pairs/'noisy'):
        with pytest.raises(ForeignPathError):
            enhance_pairs(pairs, 'noisy', out, progress=False)
    own_folder(tmp_path/'up')
    os.rename(pairs, tmp_path/'up'/'pairs')
    with pytest.raises(ForeignPathError):
        enhance_pairs(tmp_path/'up'/'pairs', 'noisy', tmp_path/'up', progress=False)
    os.rename(tmp_path/'up'/'pairs', pairs)
    touched.clear()
    for _ in range(2):
        enhance_pairs(pairs, 'noisy', tmp_path/'out', progress=False)
    assert tree(pairs)==before and sorted(p.name for p in (tmp_path/'out').glob('*.wav'))==['a.wav','b.wav']
    assert touched and not [
        p for p in touched if Path(p).is_relative_to(pairs) or Path(p).is_relative_to(canary)]

class Task:
    def state_dict(self):
        return {}
    def load_state_dict(self, state):
        pass

def test_other_checkpoints_stay_until_there_is_a_new_one(tmp_path):
    folder = tmp_path/'ck'
    old = Checkpoint(folder, 10, task=Task(), settings=dict(steps=60))
    for step in (40, 50):
        old.save(step)
    new = Checkpoint(folder, 10, task=Task(), settings=dict(steps=61))
    with pytest.warns(UserWarning, match='steps=60'):
        assert new.restore()==0
    assert [p.name for p in new.files]==['step_00000040.pt','step_00000050.pt']
    new.save(10)
    assert [p.name for p in new.files]==['step_00000010.pt']
    new.clear()
    assert not new.files and sorted(p.name for p in new.aside(old.settings).iterdir())==['step_00000040.pt','step_00000050.pt']

def test_checkpoints_of_settings_that_come_back_are_found(tmp_path):
    "Of three settings by turns, each goes on where it was; what is finished leaves nothing."
    def begin(lr):
        return Checkpoint(tmp_path/'ck', 10, task=Task(), settings=dict(lr=lr))
    for lr,step in ((1, 40), (2, 10), (3, 40)):
        run = begin(lr)
        if lr > 1:
            with pytest.warns(UserWarning, match=r"lr=. \(now .\); it is kept in .*settings_........, where"):
                assert run.restore()==0
        run.save(step)
    for lr,step in ((1, 40), (2, 10), (3, 40)):
        run = begin(lr)
        assert run.restore()==step
        run.save(step + 10)
        run.save(step + 20)
    assert begin(1).restore()==60
    for lr in (1, 2, 3):
        run = begin(lr)
        assert run.restore()
        run.clear()
    assert not (tmp_path/'ck').exists()

def test_a_checkpoint_folder_loses_only_its_own_files(canary, touched):
    save = Checkpoint(canary, 1, task=Task())
    with pytest.warns(UserWarning, match='cannot be read'):
        assert save.restore()==0
    save.save(2)
    save.clear()
    assert not [p for p in touched if Path(p).name in ('thesis.tex','step_00000001.pt')]

def test_the_second_run_says_who_is_writing(tmp_path):
    plan = dict(f=lambda read, a, b: read(a, b), n=400, block=100, overlap=10)
    def run():
        return checkpointed_chunks(tmp_path/'m.wav', 'key', 1, plan, lambda a, b: torch.zeros(1, b - a))
    first = run()
    next(first)
    with pytest.raises(BlockingIOError, match=f'process {os.getpid()}'):
        next(run())
    list(first)
    assert sum(w.shape[-1] for w in run())==400

def test_what_a_killed_run_left_goes_with_the_next(tmp_path):
    "A process that is killed while it writes leaves a hidden file; the next one removes it, and only it."
    import subprocess, sys
    code = ("import os, sys; from weakse.core.files import atomic_path\n"
            "with atomic_path(sys.argv[1]) as tmp: tmp.write_text('half'); os.kill(os.getpid(), 9)")
    subprocess.run(
        [sys.executable, '-c', code, str(tmp_path / 'a.txt')],
        env={**os.environ, 'PYTHONPATH': os.pathsep.join(sys.path)})
    (tmp_path/'.mine.tmp.txt').write_text('mine')
    left = {p.name for p in tmp_path.iterdir()} - {'.mine.tmp.txt'}
    assert len(left)==1 and left.pop().startswith('.weakse-')
    with atomic_path(tmp_path/'b.txt') as tmp:
        assert {p.name for p in tmp_path.iterdir()}=={'.mine.tmp.txt'}
        tmp.write_text('whole')
    assert {p.name for p in tmp_path.iterdir()}=={'.mine.tmp.txt','b.txt'}

# -- every public function that writes
# -----------------------------------------------------------------------------------------------------------

PACKAGE = Path(__file__).parents[1]/'weakse'
MECHANISM = [PACKAGE/'core'/'files.py', PACKAGE/'core'/'outputs.py']
# what writes in it
SHARED = {'atomic_path','put_in_place','edit_text','own_folder','own_folders','write_json'}

def functions():
    """(module, name) -> names that it uses and its parameters, of all modules but the mechanism itself and
    the command."""
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        if path.name=='_modidx.py' or path.parent.name=='cli' or path in MECHANISM: continue
        module = '.'.join(path.relative_to(PACKAGE).with_suffix('').parts)
        for f in ast.parse(path.read_text()).body:
            if not isinstance(f, ast.FunctionDef): continue
            names = {n.id for n in ast.walk(f) if isinstance(n, ast.Name)}
            found[module, f.name] = (
                {(module, n) if n.startswith('_') else n for n in names},
                {a.arg for a in f.args.args + f.args.kwonlyargs})
    return found

def writers():
    "Those that write, themselves or through others; a method is no name: `open` is Python's, whatever a class calls `open`."
    all,found = functions(),set()
    while True:
        used = SHARED | {(m, n) if n.startswith('_') else n for m,n in found if n!='open'}
        new = {k for k,(names,_) in all.items() if names & used} - found
        if not new: return {k: all[k][1] for k in found if not k[1].startswith('_')}
        found |= new

# writers without `overwrite`, and why none is needed
OWN = dict(
    replaces_its_folder_alone='unpack_archive detect_anchors enhance_pairs listening_page prepare real_scenes test_scenes write_scenes '
                              'write_prepared pairs_page save_small train_tagger fetch_voicebank write_scene keep_clips pack_model write_folder prepare_shipped',
    asks_before_it_writes_beside_others='audioset_corpus audioset_shaped checked_corpus copy_pairs '
                                        'esc50_corpus folder_corpus fsd50k_corpus write_corpus write_pairs write_pair_sets '
                                        'save make_room write_report '
                                        'copy_train_pairs synth_corpus '
    'synth_train_pairs save_system train_selective train_segan train_wave_unet train_unet learn '
    'learn_from_pairs '
    'write_stand_ins write_anchors write_index '
    'synth_clips add_synth_clips synth_pair_sets held_out_pairs debian_clips debian_corpus',
    edits_what_it_has_read='set_verdict judge write_readme make_manifest present_clips add_look list_collections',
    downloads_what_is_not_there='fetch pinned fetch_collection fetch_published read_record fetch_list fetch_clips fetch_audioset '
                                'fetch_weights load stated fetch_debian',
    writes_its_verdict_beside_the_weights='checked_once check_weights first_hearing',
    writes_into_a_temporary_folder='serve examine open add app_workbench '
                                   'training_cost held_out_recognition score_runs named_pairs',
    keeps_its_cells_in_a_folder_of_its_own='kept_cell kept_result run_cells add_row listen',
    hands_on_to_save_audio='run_scene', asks_for_a_signature='base_settings sized chain',
    is_used_behind_check_output='write_chunks write_like_input',
    writes_into_the_folder_of_its_run='make_shard write_shard',
    has_hidden_files_of_its_own='checkpointed_chunks refuse_unwritable')

def test_every_public_writer_asks_or_needs_not():
    known = {name for names in OWN.values() for name in names.split()}
    assert not {k for k,args in writers().items() if 'overwrite' not in args and k[1] not in known}

# what changes files by itself, outside the mechanism: function -> why that is safe
ALONE = dict(
    _opening="in the folder of this run", _Notes="adds a line to its own list",
    _poured="in the folder of this run", _receive="a part, see `check_part`", _check="the part that it made",
    _remove_part="the part that it made", _locked="a part of a hidden name", checkpointed_chunks="the same",
    refuse_unwritable="the probe that it made", Checkpoint="its own step_*.pt",
    _write_state="under `atomic_path`", _bring_up_to_date="a link in its run", _point="the same",
    _forget="a link in its run, or DVC's import there",
    append_chunks="into a file that is being written, before its rename",
    _take_out="under `atomic_path`", _copied="the same", write_new="the mark of the folder that it made",
    Stem="in the folder of its workbench", Uploads="the same",
    Taking="the same", Workbench="under `atomic_path`", named_pairs="in a temporary folder")
CHANGING = {
    'write_text', 'write_bytes', 'unlink', 'rmtree', 'rmdir', 'rename', 'renames', 'copyfile', 'copytree',
    'copy2', 'move', 'symlink_to', 'hardlink_to', 'mkdtemp', 'mkstemp', 'NamedTemporaryFile'}
SAFE = {'atomic_path','scratch_path','scratch_folder','TemporaryDirectory'}

def changes(node):
    "Lines of calls that change files, but for those in a block of the mechanism."
    if (
        isinstance(node, ast.With)
        and {
            n.id if isinstance(n, ast.Name) else getattr(n, 'attr', '') for i in node.items
            for n in ast.walk(i)}
        & SAFE
    ):
        return []
    found = [line for child in ast.iter_child_nodes(node) for line in changes(child)]
    if not isinstance(node, ast.Call): return found
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, 'id', '')
    modes = [
        a.value for a in node.args
        if isinstance(a, ast.Constant) and isinstance(a.value, str) and len(a.value) < 4]
    os_replace = name=='replace' and getattr(getattr(node.func, 'value', None), 'id', '')=='os'
    if name in ('rename','replace') and not node.args: return found         # of a table
    # ours, which goes through the mechanism
    own = name=='write_text' and isinstance(node.func, ast.Name)
    return found + [node.lineno] * (
        name in CHANGING and not own or os_replace or name == 'open'
        and any(set(m) & set('wax+') for m in modes))

def owner(top):
    "Name of a class or function; of its class for a method that is added by `patch`."
    patched = any('patch' in ast.unparse(d) for d in top.decorator_list)
    return ast.unparse(top.args.args[0].annotation) if patched else top.name

def test_nothing_is_changed_outside_the_mechanism():
    found = {}
    for path in sorted(PACKAGE.rglob('*.py')):
        if path.name=='_modidx.py' or path in MECHANISM: continue
        for top in ast.parse(path.read_text()).body:
            if isinstance(top, (ast.FunctionDef, ast.ClassDef)) and (lines := changes(top)):
                found[owner(top)] = found.get(owner(top), []) + lines
    assert not set(found)-set(ALONE), {k: v for k,v in found.items() if k not in ALONE}

NOISE = .1*torch.randn(8000, generator=torch.Generator().manual_seed(0))
EVENTS = pd.DataFrame([('Speech', 0., 1., .9)], columns=['class','onset','offset','score'])

def wav_of(path):
    "A recording beside an output."
    if not (source := path.with_name('source.wav')).exists():
        sf.write(source, NOISE.numpy(), 16000)
    return source

def system():
    from weakse.models.system import System
    return System('half', lambda wav, *_: wav/2, vocabulary=Vocabulary(['Speech']))

# name of the file -> f(path, overwrite=...)
FILES = {
    'a.json': lambda path, **how: write_json(path, {}, **how),
    'a.wav': lambda path, **how: save_audio(path, NOISE, 16000, **how),
    'vocabulary.csv': lambda path, **how: Vocabulary(['Speech']).save(path, **how),
    'events.csv': lambda path, **how: write_events(EVENTS, path, **how),
    'labels.txt': lambda path, **how: write_events(EVENTS, path, **how),
    'figure.png': lambda path, **how: save_figure(plt.figure(figsize=(1, 1)), path, 64, **how),
    'page.ipynb': lambda path, **how: write_page(path, **how),
    'clip.flac': lambda path, **how: cut_clip(wav_of(path), path, 0, 0.3, **how),
    'zenodo-7.json': lambda path, **how: keep_record(7, {}, 'title', path.parent, **how),
    's.ogg': lambda path, **how: write_group(path.parent, dict(s=NOISE.repeat(3)), 16000, **how),
    'enhanced.wav': lambda path, **how: enhance_file(wav_of(path), path, 'noisy', **how),
    'better.wav': lambda path, **how: enhance_files([wav_of(path)], path, 'noisy', progress=False, **how),
    'kept.wav': lambda path, **how: extract_file(
        wav_of(path), path, path.with_name('removed.wav'), keep='Speech', system=system(), detector=None,
        **how),
}

@pytest.mark.parametrize('name', FILES)
def test_a_file_stays_unless_overwriting_is_asked_for(tmp_path, touched, name):
    write,path = FILES[name],tmp_path/name
    wav_of(path)
    path.write_text('mine')
    before = tree(tmp_path)
    with pytest.raises((ForeignPathError, OutputCollisionError), match='`overwrite=True`') as e:
        write(path)
    assert str(path) in str(e.value) and '\n' not in str(e.value) and tree(tmp_path)==before
    write(path, overwrite=True)
    assert path.read_bytes()!=b'mine' and before['source.wav']==tree(tmp_path)['source.wav']
    for p in tmp_path.iterdir():
        p.name=='source.wav' or p.unlink()
    write(path)                                                       # where there is none, nobody has to ask

@pytest.mark.parametrize('name', FILES)
def test_others_may_read_what_the_umask_lets_them_read(tmp_path, name):
    write,path = FILES[name],tmp_path/'out'/name
    path.parent.mkdir()
    wav_of(path)
    own = os.umask(0o027)
    try:
        write(path)
        made = {p.name: p.stat().st_mode & 0o777 for p in path.parent.iterdir() if p.name!='source.wav'}
        path.chmod(0o604)
        write(path, overwrite=True)
    finally:
        os.umask(own)
    assert made[name]==0o640 and set(made.values()) <= {0o640, 0o750}
    assert path.stat().st_mode & 0o777==0o604

def test_tables_stay_unless_overwriting_is_asked_for(tmp_path):
    score = dict(n_files=1, failed=[], settings={}, files=[dict(file='a.wav', pesq=2.)], mean={})
    (tmp_path/'table.md').write_text('mine')
    with pytest.raises(ForeignPathError, match='table.md exists already'):
        write_table1([write_json(tmp_path/'noisy.json', score)], tmp_path/'table.json', tmp_path/'table.md')
    assert not (tmp_path/'table.json').exists() and (tmp_path/'table.md').read_text()=='mine'

def test_an_edit_keeps_a_link_and_what_is_not_ours(tmp_path):
    (tmp_path/'real.md').write_text('a\n<!-- table1 -->\n<!-- /table1 -->\nb\n')
    (tmp_path/'README.md').symlink_to('real.md')
    assert (
        write_readme(tmp_path / 'README.md', '| x |') and (tmp_path / 'README.md').is_symlink()
        and (tmp_path / 'real.md').read_text() == 'a\n<!-- table1 -->\n| x |\n<!-- /table1 -->\nb\n')
    (tmp_path/'audit.csv').write_text('file,class,verdict,note\na.wav,Speech,reject,a dog\n')
    set_verdict(tmp_path/'audit.csv', 'b.wav', 'Speech', 'accept')
    assert (
        tmp_path / 'audit.csv'
    ).read_text() == 'file,class,verdict,note\na.wav,Speech,reject,a dog\nb.wav,Speech,accept,\n'

def test_a_part_is_never_somebody_elses(tmp_path, canary):
    "A download is written to in its place: a link there would lead into another file."
    (tmp_path/'site').write_bytes(b'content')
    digits = hashlib.sha256(b'content').hexdigest()
    folder = tmp_path/'cache'
    folder.mkdir()
    (folder/f'site.{digits[:8]}.part').symlink_to(canary/'thesis.tex')
    with pytest.raises(ForeignPathError, match='is a link'):
        fetch((tmp_path/'site').as_uri(), digits, folder=folder, progress=False)
    (tmp_path/'clips').mkdir()
    (tmp_path / 'list.csv').write_text(
        '# YTID, start_seconds, end_seconds, positive_labels\nabc-0000000, 0.000, 1.000, "/m/09x0r"\n'
    )
    (tmp_path/'clips'/'failures.csv').write_text('my list of failures')
    with pytest.raises(ForeignPathError, match='failures.csv is no list'):
        fetch_clips(tmp_path/'list.csv', tmp_path/'clips', progress=False)
    assert (tmp_path/'clips'/'failures.csv').read_text()=='my list of failures'
