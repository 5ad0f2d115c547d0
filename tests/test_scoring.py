"""What scoring must survive: a package that writes behind its table, workers that are killed, machines
without shared memory."""
import os, subprocess, sys
import numpy as np, pytest, soundfile as sf
from weakse.evaluation.pesq_process import longest, n_utterances, pesq_apart
from weakse.evaluation.perceptual import pesq_wb
from weakse.evaluation.scoring import score_folders
from weakse.evaluation.signals import MetricError
from weakse.core.terminal import shown_log

@pytest.fixture(autouse=True)
def as_the_command():
    "What is logged goes to standard error, as in a verb."
    with shown_log():
        yield


def bursts(n, seed=0):
    "Noise of 1 s and near silence of 1 s, `n` times at 16 kHz, and the same with noise: two `(T,)`."
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 32000))
    x[:, 16000:] *= 1e-5
    x = .9*x.ravel()/np.abs(x).max()
    return x, x + .003*rng.standard_normal(len(x))


def pairs(folder, **sounds):
    "A folder `clean` and a folder `enhanced`, a file for each (clean, estimate)."
    for i, d in enumerate(('clean', 'enhanced')):
        (folder/d).mkdir()
        for name, pair in sounds.items():
            sf.write(folder/d/f'{name}.wav', pair[i], 16000)
    return folder/'clean', folder/'enhanced'


def test_utterances_are_counted_as_the_package_counts():
    assert [n_utterances(bursts(n)[0]) for n in (1, 12, 60)] == [1, 12, 60]


def test_a_table_that_is_too_small_is_a_missing_value():
    with pytest.raises(MetricError, match='60 utterances, the package `pesq` keeps 50'):
        pesq_wb(*bursts(60), 16000)


def test_a_long_pair_scores_the_same_in_a_process_of_its_own():
    from pesq import pesq
    x, y = bursts(10)
    assert len(x) > longest
    assert pesq_wb(x, y, 16000) == float(pesq(16000, x, y, 'wb'))


def test_a_child_that_dies_is_a_reason(monkeypatch):
    from weakse.evaluation import pesq_process
    monkeypatch.setattr(pesq_process.sys, 'executable', '/bin/false')
    assert 'ended with exit code 1 on 20.0 s' in pesq_apart(*bursts(10))['error']


def test_the_other_scores_and_files_are_kept(tmp_path):
    s = score_folders(*pairs(tmp_path, long=bursts(55), short=bursts(1)), progress=False)
    assert (
        s['n_files'] == 2 and s['count']['pesq'] == s['count']['csig'] == 1
        and s['count']['ssnr'] == s['count']['stoi'] == 2)
    assert [f['file'] for f in s['failed']] == ['long'] and '55 utterances' in s['failed'][0]['reason']


def double(x):
    return 2*x


def dies(x):
    if x in (3, 17):
        os.kill(os.getpid(), 9)
    return 2*x


@pytest.mark.scale
def test_a_killed_worker_is_a_row(monkeypatch):
    from weakse.core.parallel import ItemError, pmap
    for n in (2, 3):
        assert pmap(dies, range(40), backend='process', n_workers=n, killed=lambda x: -x) == [
            -x if x in (3, 17) else 2 * x for x in range(40)]
    with pytest.raises(ItemError, match='item 3 of 40'):
        pmap(dies, range(40), backend='process')


def scores_but_b(item):
    "Goes to worker processes, where the scorer is the package's."
    from weakse.evaluation import scoring
    return os.kill(os.getpid(), 9) if item[0] == 'b' else scoring._score_file(item)


@pytest.mark.scale
def test_a_killed_scorer_is_a_row_of_the_scores(tmp_path, monkeypatch):
    from weakse.evaluation import scoring
    monkeypatch.setattr(scoring, '_score_file', scores_but_b)
    monkeypatch.setattr(scoring, '_large', 0)
    folders = pairs(tmp_path, **{k: bursts(1) for k in 'abc'})
    s = score_folders(*folders, progress=False)
    assert (
        [f['file'] for f in s['failed']] == ['b'] and 'was killed' in s['failed'][0]['reason']
        and s['count']['pesq'] == 2)


def test_without_shared_memory_it_is_serial(monkeypatch, capsys):
    from weakse.core import parallel as scale
    def none(*args, **kwargs):
        raise OSError(30, 'Read-only file system')
    monkeypatch.setattr(scale, 'ProcessPoolExecutor', none)
    assert scale.pmap(double, range(5), backend='process') == [0, 2, 4, 6, 8]
    assert capsys.readouterr().err.count('\n') == 1


@pytest.mark.parametrize('method', ['spawn', 'forkserver'])
def test_other_start_methods(monkeypatch, method, capsys):
    from weakse.core import parallel as scale
    monkeypatch.setattr(scale, '_method', method)
    assert scale.pmap(abs, range(-4, 0), backend='process') == [4, 3, 2, 1]
    assert not capsys.readouterr().err
    assert scale.pmap(lambda x: x + 1, range(4), backend='process') == [1, 2, 3, 4]
    assert 'one after the other' in capsys.readouterr().err
