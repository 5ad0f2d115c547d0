"What scoring must survive: a package that writes behind its table, workers that are killed, machines without shared memory."
import os, subprocess, sys
import numpy as np, pytest, soundfile as sf
from weakse.apart import longest, n_utterances, pesq_apart
from weakse.metrics import MetricError, pesq_wb, score_folders


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
        for name, pair in sounds.items(): sf.write(folder/d/f'{name}.wav', pair[i], 16000)
    return folder/'clean', folder/'enhanced'


def test_utterances_are_counted_as_the_package_counts():
    assert [n_utterances(bursts(n)[0]) for n in (1, 12, 60)] == [1, 12, 60]


def test_a_table_that_is_too_small_is_a_missing_value():
    with pytest.raises(MetricError, match='60 utterances, the package `pesq` keeps 50'): pesq_wb(*bursts(60), 16000)


def test_a_long_pair_scores_the_same_in_a_process_of_its_own():
    from pesq import pesq
    x, y = bursts(10)
    assert len(x) > longest
    assert pesq_wb(x, y, 16000) == float(pesq(16000, x, y, 'wb'))


def test_a_child_that_dies_is_a_reason(monkeypatch):
    from weakse import apart
    monkeypatch.setattr(apart.sys, 'executable', '/bin/false')
    assert 'ended with exit code 1 on 20.0 s' in pesq_apart(*bursts(10))['error']


def test_the_other_scores_and_files_are_kept(tmp_path):
    s = score_folders(*pairs(tmp_path, long=bursts(55), short=bursts(1)), progress=False)
    assert s['n_files'] == 2 and s['count']['pesq'] == s['count']['csig'] == 1 and s['count']['ssnr'] == s['count']['stoi'] == 2
    assert [f['file'] for f in s['failed']] == ['long'] and '55 utterances' in s['failed'][0]['reason']
