"""Scores: equal to the plain oracle, to stored numbers, and honest about files that have none."""
import json
from dataclasses import replace
import numpy as np, pytest, soundfile as sf
from scipy.signal import lfilter
import plain_metrics as plain
from weakse.evaluation import perceptual, segmental
from weakse.evaluation.markdown import mean_cell
from weakse.evaluation.metrics import metric_names, metric_of, metrics, score_pair
from weakse.evaluation.scoring import score_folders
from weakse.evaluation.sdr import bss_eval, fitted_sdr, si_sdr
from weakse.evaluation.segmental import llr, ssnr, wss
from weakse.evaluation.signals import LengthError, MetricError
from weakse.evaluation.tables import write_readme, write_table1
from weakse.core.audio import load_audio
from weakse.core.files import write_json
from weakse.core.paths import shared_dir


def syllables(seed=0, rate=16000, seconds=1.5):
    "Three syllables of buzz and hiss with pauses, and the same with noise: both `(T,)` float64."
    rng, n = np.random.default_rng(seed), int(seconds*rate)
    pitch, out = 120+20*np.sin(2*np.pi*np.arange(n)/rate*.7+seed), []
    for part in np.array_split(np.diff(np.floor(np.cumsum(pitch)/rate), prepend=0.), 3):
        hiss, vowel = lfilter([1, -1], [1], rng.standard_normal(len(part))), part
        for f in rng.uniform([300, 900, 2200], [800, 2000, 3200]):
            r = np.exp(-np.pi*90/rate)
            vowel = lfilter([1-r], [1, -2*r*np.cos(2*np.pi*f/rate), r*r], vowel)
        t = np.linspace(0, 1, len(part))
        out.append((vowel/np.abs(vowel).max()+.02*hiss)*np.sin(np.pi*np.clip((t-.1)/.7, 0, 1))**.5)
    clean = np.concatenate(out)+1e-4*rng.standard_normal(n)
    return .4*clean, .4*clean+.02*lfilter([1], [1, -.8], rng.standard_normal(n))


@pytest.mark.parametrize('rate', [8000, 16000])
@pytest.mark.parametrize('seed', [0, 1])
def test_vectorised_equals_plain(rate, seed):
    c, e = syllables(seed, rate, .4)
    for name in ('llr', 'wss', 'ssnr'):
        np.testing.assert_allclose(
            getattr(segmental, name)(c, e, rate), getattr(plain, name)(c, e, rate), rtol=1e-7)
    np.testing.assert_allclose(llr(c, e, rate, cap=None), plain.llr(c, e, rate, cap=None), rtol=1e-7)


def test_vectorised_equals_plain_in_digital_silence():
    c, e = syllables(0, 16000, .4)
    c[2000:4000] = 0
    e[2500:3500] = 0
    e[5000:6000] = 0
    for f, g in ((llr, plain.llr), (wss, plain.wss), (ssnr, plain.ssnr)):
        np.testing.assert_allclose(f(c, e, 16000), g(c, e, 16000), rtol=1e-6)


def test_bss_eval_equals_least_squares():
    a, noisy = syllables(0, 16000, .3)
    b, _ = syllables(1, 16000, .3)
    refs = np.stack([a, b])
    ests = np.stack([noisy+.2*b, b+.1*np.roll(a, 3)+.01*np.random.default_rng(0).standard_normal(len(b))])
    for ours, theirs in zip(bss_eval(refs, ests, taps=8).values(), plain.bss_eval(refs, ests, 8)):
        np.testing.assert_allclose(ours, theirs, atol=1e-4)
    np.testing.assert_allclose(fitted_sdr(a, noisy, taps=8), plain.bss_eval([a], [noisy], 8)[0][0], atol=1e-4)


# Made by tests/plain_metrics.py (ssnr, llr, wss), pesq 0.0.4, pystoi 0.4.1, and the composites' formula on
# syllables(0). The program that made them met the
# MATLAB values of Loizou's own code on two real files to 3e-7 (STOI: 2e-5) on the same day; those files are
# not ours to ship.
STORED = dict(
    pesq=1.2912, csig=3.358, cbak=2.25501, covl=2.32328, ssnr=2.46555, stoi=0.705782, estoi=0.508146,
    si_sdr=6.9465, fitted_sdr=7.05541, llr=0.309817, llr_uncapped=0.309817, wss=21.644)
STORED_DULL = dict(
    pesq=1.3795, csig=1, cbak=1.66581, covl=1.10028, ssnr=-3.82499, stoi=0.669413, estoi=0.472898,
    si_sdr=-16.566, fitted_sdr=6.67427, llr=1.99071, llr_uncapped=2.37813, wss=55.2302)


def dull(x):
    """Everything above a few hundred hertz taken away, so that the cap of LLR and the floor of the composites
    are reached."""
    return lfilter(np.ones(9)/9, [1], lfilter(np.ones(9)/9, [1], x))


@pytest.mark.parametrize('change, stored', [(lambda x: x, STORED), (dull, STORED_DULL)])
def test_stored_numbers(change, stored):
    c, e = syllables()
    s = score_pair(c, change(e), 16000)
    assert s['failed'] == {}
    for k, v in stored.items():
        assert s[k] == pytest.approx(v, rel=5e-3 if 'stoi' in k else 5e-4), k
    assert set(stored) <= set(metric_names)


def test_matlab_values_of_real_files():
    folder = shared_dir()
    if folder is None or not (folder/'real/metrics/matlab.json').is_file():
        pytest.skip('no shared folder with the MATLAB values beside this clone')
    facts = json.loads((folder/'real/metrics/matlab.json').read_text())
    clean, rate = load_audio(folder/'real/metrics'/facts['reference'])
    for name, values in facts['files'].items():
        s = score_pair(clean, load_audio(folder/'real/metrics'/name)[0], rate)
        for k, v in values.items():
            assert s[{'pesq_wb': 'pesq', 'stoi_10k': 'stoi'}.get(k, k)] == pytest.approx(
                v, rel=5e-3 if 'stoi' in k else 5e-4), (name, k)


def test_best_values_of_identical_signals():
    c, _ = syllables()
    s = score_pair(c, c, 16000)
    best = dict(
        pesq=4.644, csig=5, cbak=5, covl=5, ssnr=35, stoi=1, estoi=1, si_sdr=100, fitted_sdr=100, llr=0,
        llr_uncapped=0, wss=0)
    for k, v in best.items():
        assert s[k] == pytest.approx(v, abs=2e-3), k


def test_level_invariance():
    c, e = syllables()
    assert si_sdr(c, .1*e) == pytest.approx(si_sdr(c, e), abs=1e-9)
    assert llr(c, .1*e, 16000) == pytest.approx(llr(c, e, 16000), rel=1e-6)
    assert perceptual.pesq_wb(c, .3*e, 16000) == pytest.approx(perceptual.pesq_wb(c, e, 16000), abs=.01)


@pytest.mark.parametrize(
    'spoil, lost, message',
    [
        (lambda c, e: (c, 0 * e), set(STORED) - {'ssnr', 'wss'}, 'the estimate is silent'),
        (lambda c, e: (0 * c, e), set(STORED), 'the clean signal is silent'),
        (
            lambda c, e: (c, np.where(np.arange(len(e)) == 7, np.nan, e)), set(STORED),
            '1 NaN or infinite samples (first at 7)'),
        (lambda c, e: (c, np.where(np.arange(len(e)) == 7, np.inf, e)), set(STORED), 'first at 7'),
        (
            lambda c, e: (c[:3000], e[:3000]), {'pesq', 'csig', 'cbak', 'covl', 'stoi', 'estoi'},
            'at least 4001 are needed'),
        (lambda c, e: (c[4000:4001], e[4000:4001]), set(STORED) - {'si_sdr'}, 'too short'),
        (lambda c, e: (c[:0], e[:0]), set(STORED), 'too short'),
    ],
)
def test_no_value_has_a_reason(spoil, lost, message):
    s = score_pair(*spoil(*syllables()), 16000, list(STORED))
    assert set(s['failed']) == lost == {k for k in STORED if np.isnan(s[k])}
    assert message in ' '.join(s['failed'].values())


@pytest.mark.parametrize('names', [['stoi'], ['covl', 'wss'], ['cbak'], []])
def test_what_is_asked_for_alone_is_what_it_is_among_all(names):
    c, e = syllables()
    every, some = score_pair(c, e, 16000), score_pair(c, e, 16000, names)
    assert list(some) == [*names, 'failed'] and some.items() <= every.items()
    assert set(score_pair(c, 0*e, 16000, names)['failed']) == set(names)-{'wss'}


def test_a_metric_that_returns_no_number_has_a_reason(monkeypatch):
    monkeypatch.setitem(metrics, 'wss', replace(metric_of('wss'), function=lambda *_: float('nan')))
    s = score_pair(*syllables(), 16000, ['stoi', 'wss', 'csig'])
    assert s['failed'] == dict(wss='wss returned nan', csig='wss returned nan') and s['stoi'] > 0


def test_names_of_metrics_that_nobody_knows(folders):
    for ask in (metric_of, lambda k: score_pair(*syllables(), 16000, [k]), lambda k: mean_cell({'mean': 1}, k)):
        with pytest.raises(ValueError, match="unknown metric 'pesk'; did you mean 'pesq' or .* Known: .*wss"):
            ask('pesk')
    # before an hour of scoring, not after it
    with pytest.raises(ValueError, match="`expected` names an unknown metric 'stoy'; did you mean 'stoi'"):
        score_folders(folders/'clean', folders/'nowhere', expected=dict(stoy=[1, 0]), progress=False)


def test_unequal_lengths_are_an_error():
    c, e = syllables()
    with pytest.raises(LengthError, match='24000 samples and the estimate 23999'):
        score_pair(c, e[:-1], 16000)
    for f in (perceptual.pesq_wb, perceptual.stoi, ssnr, wss, llr):
        with pytest.raises(LengthError):
            f(c, e[:-1], 16000)
    with pytest.raises(MetricError, match='one channel'):
        ssnr(np.stack([c, c]), np.stack([e, e]), 16000)


@pytest.fixture(scope='module')
def folders(tmp_path_factory):
    "Eight clean files, and estimates of which several are spoiled, one each way."
    root = tmp_path_factory.mktemp('pairs')
    for d in ('clean/sub', 'enhanced/sub'):
        (root/d).mkdir(parents=True)
    for i in range(9):
        c, e = syllables(i)
        rate, e = 16000, {1: 0*e, 2: e[:-1]}.get(i, e)
        name = f'sub/ü {i}' if i == 7 else f'{i}'
        if i != 8:
            sf.write(root/'clean'/f'{name}.wav', c, rate)
        if i == 3:
            (root/'enhanced'/'3.wav').write_bytes(b'<!doctype html><html>404')
        elif i == 4:
            sf.write(root/'enhanced'/'4.wav', e, 8000)
        elif i == 6:
            sf.write(
                root / 'enhanced' / '6.wav', np.where(np.arange(len(e)) == 5, np.nan, e), rate,
                subtype='FLOAT')
        elif i != 5:
            sf.write(root/'enhanced'/f'{name}.{"flac" if i == 7 else "wav"}', e, rate)
    return root


def test_score_folders_counts_every_failure(folders):
    s = score_folders(folders/'clean', folders/'enhanced', progress=False)
    reasons = {f['file']: f['reason'] for f in s['failed']}
    assert list(reasons) == ['1', '2', '3', '4', '5', '6', '8']
    for name, words in {
        '1': 'silent', '2': 'equal lengths', '3': 'web page', '4': '8000 Hz', '5': 'no partner in enhanced',
        '6': 'NaN', '8': 'no partner in clean'}.items():
        assert words in reasons[name], reasons[name]
    assert (s['n_files'], s['count']['pesq'], s['count']['ssnr']) == (8, 2, 3)
    assert [r['file'] for r in s['files']] == ['0', '1', '2', '3', '4', '6', 'sub/ü 7']
    assert s['files'][1]['pesq'] is None and s['files'][1]['ssnr'] is not None
    assert s['mean']['pesq'] == pytest.approx(np.mean([s['files'][0]['pesq'], s['files'][6]['pesq']]))
    low, high = s['interval']['pesq']
    assert low <= s['mean']['pesq'] <= high
    assert str(folders) not in json.dumps(s)


def test_score_folders_is_the_same_every_time(folders, monkeypatch):
    "Here, and in two processes from the second file on."
    from weakse.core import parallel
    def scored():
        return json.dumps(score_folders(folders/'clean', folders/'enhanced', progress=False), allow_nan=False)
    here = scored()
    monkeypatch.setattr(parallel, '_start_s', -1)
    assert here == scored() == scored()


def test_score_folders_refuses_what_cannot_be_matched(folders, tmp_path):
    with pytest.raises(FileNotFoundError, match='is not a folder'):
        score_folders(folders/'clean', tmp_path/'nowhere')
    with pytest.raises(ValueError, match='holds no .wav'):
        score_folders(folders/'clean', tmp_path)
    for name in ('a.wav', 'a.flac'):
        sf.write(tmp_path/name, np.zeros(100), 16000)
    with pytest.raises(ValueError, match='ambiguous'):
        score_folders(folders/'clean', tmp_path)
    (tmp_path/'a.flac').unlink()
    with pytest.raises(ValueError, match='no file name is shared'):
        score_folders(folders/'clean', tmp_path)


def test_higher_rates_are_scored_at_16_khz(tmp_path):
    import soxr
    for d, x in zip(('clean', 'enhanced'), syllables()):
        (tmp_path/d).mkdir()
        sf.write(tmp_path/d/'a.wav', soxr.resample(x, 16000, 48000), 48000, subtype='FLOAT')
    s = score_folders(tmp_path/'clean', tmp_path/'enhanced', progress=False)['mean']
    direct = score_pair(*syllables(), 16000)
    for k in ('pesq', 'ssnr', 'stoi', 'si_sdr'):
        assert s[k] == pytest.approx(direct[k], rel=.03), k


def test_table1_files_are_byte_identical_and_complete(folders, tmp_path):
    noisy = score_folders(folders/'clean', folders/'enhanced', progress=False)
    best = score_folders(folders/'clean', folders/'clean', progress=False)
    files = [write_json(tmp_path/f'{k}.json', v) for k, v in dict(oracle=best, noisy=noisy).items()]
    out, md = tmp_path/'t.json', tmp_path/'t.md'
    table = write_table1(files, out, md, 'Table 1 (test)')
    first = out.read_bytes(), md.read_bytes()
    write_table1(files, out, md, 'Table 1 (test)', overwrite=True)
    assert (out.read_bytes(), md.read_bytes()) == first
    assert [(r['system'], r['needs_clean']) for r in table['rows']] == [('noisy', False), ('oracle', True)]
    assert (
        table['rows'][0]['pesq']['n'], table['rows'][0]['pesq']['failed'], table['rows'][0]['failed'],
    ) == (2, 6, 6)
    assert table['differences'][0]['pesq']['n'] == 2 and table['differences'][0]['pesq']['low'] > 0
    measured, reported = md.read_text().split('**Reported: VoiceBank-DEMAND test set**')
    assert (
        '| Noisy |' in measured and 'SEGAN' not in measured and 'SEGAN' in reported
        and '(2 files)' in measured)


def test_readme_between_markers(tmp_path):
    readme = tmp_path/'README.md'
    readme.write_text('a\n<!-- table1 -->\nb\n<!-- /table1 -->\nc\n')
    assert (
        write_readme(readme, r'| \1 x |')
        and readme.read_text() == 'a\n<!-- table1 -->\n| \\1 x |\n<!-- /table1 -->\nc\n')
    assert not write_readme(readme, r'| \1 x |')
    readme.write_text('a')
    with pytest.raises(ValueError, match='1 is expected'):
        write_readme(readme, 'x')
