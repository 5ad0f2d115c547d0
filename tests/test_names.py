"""Names that are not UTF-8, and links that lead to themselves, in every corner: a result or one line, never a
traceback."""
import os, sys
from pathlib import Path
import numpy as np, pytest, soundfile as sf, torch
from test_terminal import run
from weakse.corpora.clean_noisy import copy_pairs
from weakse.corpora.folder import folder_corpus, seen_from
from weakse.app.server import write_page
from weakse.core.audio import save_audio
from weakse.cli.runs import run_folder
from weakse.corpora.corpus import read_corpus
from weakse.cli.piping import coded_as
from weakse.evaluation.figures import read_pairs
from weakse.core.files import read_json
from weakse.core.outputs import ForeignPathError, check_output
from weakse.core.tables import write_table
from weakse.training.clean_pairs import copy_train_pairs

NAME = os.fsdecode(b'caf\xe9')
pytestmark = pytest.mark.skipif(sys.platform!='linux', reason="names of bytes are Linux's")

def sound(path, seconds=1.):
    save_audio(
        path, 0.1 * torch.randn(1, round(16000 * seconds), generator=torch.Generator().manual_seed(0)), 16000)
    return path

def test_the_coding_of_a_file_of_any_name(tmp_path):
    (tmp_path/NAME).mkdir()
    x = .1*np.random.default_rng(0).standard_normal(16000)
    with open(tmp_path/NAME/'a.bin', 'wb') as f:
        sf.write(f, x, 16000, format='FLAC')
    assert coded_as(tmp_path/NAME/'a.bin')=='.flac'

def test_standard_input_in_a_temporary_folder_of_any_name(tmp_path):
    (tmp_path/NAME).mkdir()
    sound(tmp_path/'a.wav')
    with open(tmp_path/'a.wav', 'rb') as pipe:
        r = run(
            tmp_path, 'enhance', '-', '-o', 'out', '--system', 'highpass', stdin=pipe,
            TMPDIR=str(tmp_path/NAME))
    assert r.returncode==0, r.stderr

def test_pairs_of_any_name(tmp_path):
    for p in ('clean','noisy'):
        sound(tmp_path/'from'/p/f'{NAME}.wav', 3)
    table = copy_pairs(tmp_path/'from', tmp_path/'to', 16000)
    write_table(tmp_path/'to'/'pairs.csv', table)
    row = read_pairs(tmp_path/'to').file[0]
    assert (tmp_path/'to'/'noisy'/row).is_file() and row==f'{NAME}.wav'
    copy_train_pairs(None, tmp_path/'train', pairs_from=str(tmp_path/'from'))
    assert (tmp_path/'train'/'pairs.csv').read_text(encoding='utf-8')

def test_doctor_and_corpus_in_a_folder_of_any_name(tmp_path):
    sound(tmp_path/NAME/'a.wav')
    (tmp_path/NAME/'l.csv').write_text('file,label\na.wav,Speech\nb.wav,Speech\n')
    r = run(tmp_path, 'doctor', f'{NAME}/l.csv', '-o', 'rep')
    assert (
        r.returncode == 1 and b'Traceback' not in r.stderr and (tmp_path / 'rep' / 'index.html').is_file()
    ), r.stderr
    (tmp_path/NAME/'l.csv').write_text('file,label\na.wav,Speech\n')
    folder_corpus(tmp_path/NAME, *(tmp_path/n for n in ('c','t','p','d')), csv='l.csv', progress=False)
    assert read_corpus(tmp_path/'c').load(0).shape==(16000,)

@pytest.mark.parametrize(
    'words',
    [
        [NAME], ['enhance', f'{NAME}.wav'], ['enhance', 'a.wav', '-o', 'out', f'--{NAME}'],
        ['enhance', 'a', '-o', 'b', '--strength', NAME], ['a\x1b[31mb'], ['enhance', 'a', '--\x1b[31m', 'x']],
    ids=ascii,
)
def test_usage_errors_of_any_word(tmp_path, words):
    r = run(tmp_path, *words, PYTHONIOENCODING='cp1252' if len(words)==1 else 'utf-8:strict')
    assert (
        r.returncode == 2 and b'Traceback' not in r.stderr and b'\x1b' not in r.stderr
        and r.stderr.startswith(b'error: ') and r.stderr.count(b'\n') == 1
        and b' -h` says what there is' in r.stderr and r.stdout == b''), r.stderr

def test_a_table_of_any_name(tmp_path):
    for p in ('clean','noisy'):
        sound(tmp_path/p/f'{NAME}.wav', 2)
    r = run(tmp_path, 'compare', f'{NAME}=noisy', '--pairs', '.', '--out', 't.json')
    assert r.returncode in (0, 1) and b'Traceback' not in r.stderr, r.stderr
    assert 'caf' in (tmp_path/'t.md').read_text(encoding='utf-8')

def test_the_page_of_the_app_in_a_folder_of_any_name(tmp_path):
    (tmp_path/NAME).mkdir()
    cell = read_json(write_page(tmp_path/'page.ipynb', tmp_path/NAME))['cells'][0]['source']
    assert ascii(str(tmp_path/NAME))[1:-1] in cell
    compile(cell, 'page', 'exec')

# -- links that lead to themselves
# ------------------------------------------------------------------------------------------------------------------

@pytest.fixture
def loop(tmp_path):
    (tmp_path/'loop').symlink_to('loop')
    return tmp_path/'loop'

def test_a_loop_is_an_input_or_an_output_like_any_other_absent_one(loop, tmp_path):
    (tmp_path/'out').mkdir()
    check_output(tmp_path/'out', [loop, loop/'a'], folder=True)
    with pytest.raises(ForeignPathError, match='a link'):
        check_output(loop, [tmp_path/'out'], folder=True)
    write_page(tmp_path/'page.ipynb', loop)

def test_a_corpus_beside_a_loop(loop, tmp_path):
    assert isinstance(seen_from(loop, tmp_path/'c'), str) and isinstance(seen_from(tmp_path, loop), str)

def test_a_parameter_file_beside_a_loop(loop, tmp_path):
    (tmp_path/'dvc.yaml').write_text('')
    (tmp_path/'sources').mkdir()
    (tmp_path/'other.yaml').write_text('seed: 0\n')
    (tmp_path/'params.yaml').symlink_to('params.yaml')
    assert run_folder(tmp_path/'other.yaml', tmp_path)==tmp_path/'runs'/'other'
    with pytest.raises(ValueError, match='no parameter file'):
        run_folder(loop, tmp_path)
