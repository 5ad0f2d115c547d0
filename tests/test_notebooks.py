"""Every notebook as nbdev runs it: the cells without a flag, in a process of its own. The processes are forked from one that has loaded the
large packages once: loading them anew took half of the time that all notebooks take."""
import multiprocessing, os, sys
from pathlib import Path
import pytest

root = Path(__file__).parents[1]
notebooks = sorted(
    p.relative_to(root) for p in (root / 'nbs').rglob('*.ipynb') if '.ipynb_checkpoints' not in p.parts)
LARGE = [
    'torch', 'torch._dynamo', 'torch.utils.data', 'pandas', 'scipy.signal', 'scipy.stats', 'matplotlib.pyplot',
    'soundfile', 'IPython', 'IPython.display', 'ipywidgets', 'nbdev.test']

@pytest.fixture(scope='module')
def processes():
    pytest.importorskip('nbdev', reason="nbdev is in the extra `dev`")
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(LARGE)
    return context

def run_notebook(path, said):
    "In a process of its own: what is printed goes to the file `said`; a failure is nbdev's exit code."
    with open(said, 'wb') as f:
        os.dup2(f.fileno(), 1)
        os.dup2(f.fileno(), 2)
    os.environ.update(MPLBACKEND='agg', OMP_NUM_THREADS='1', MKL_NUM_THREADS='1')
    os.chdir(root)
    import torch
    from nbdev.test import nbdev_test
    torch.set_num_threads(1)
    nbdev_test(path=str(path), n_workers=0)
    sys.stdout.flush()

@pytest.mark.parametrize('notebook', notebooks, ids=lambda p: f'{p.parent.name}/{p.stem}')
def test_notebook(notebook, processes, tmp_path):
    said = tmp_path/'said.txt'
    process = processes.Process(target=run_notebook, args=(notebook, said))
    process.start()
    process.join(600)
    if process.is_alive():
        process.kill()
    text = said.read_text(errors='replace') if said.exists() else ''
    assert process.exitcode==0, text[-6000:]
    assert 'Success.' in text, text[-6000:]
