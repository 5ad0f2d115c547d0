"""What the doctor says of files, and labels with odd names in pictures."""
import threading, warnings
import numpy as np, pandas as pd, pytest, torch
from weakse.core.audio import save_audio
from weakse.core.waveform import hushed
from weakse.app.sound_facts import FACTS, sound_facts
from weakse.app.findings import FINDINGS
from weakse.app.checkup import examine
from weakse.evaluation.perceptual import stoi
from weakse.evaluation.signals import MetricError

rng = np.random.default_rng(0)
noise = .05*rng.standard_normal((1, 32000)).astype(np.float32)

@pytest.mark.parametrize('offset', [0., .05, -.02])
@pytest.mark.parametrize('block', [60., .5])
def test_offset(tmp_path, offset, block):
    save_audio(tmp_path/'a.wav', noise + offset, 16000)
    facts = sound_facts(tmp_path/'a.wav', block=block)
    assert (
        facts['offset'] == pytest.approx(offset, abs=2e-3) and (facts['offset'] == 0) == (offset == 0)
        and list(facts) == FACTS)

def test_offset_of_one_channel(tmp_path):
    save_audio(tmp_path/'a.wav', np.concatenate([noise, noise-.1]), 16000)
    assert sound_facts(tmp_path/'a.wav')['offset']==pytest.approx(-.1, abs=2e-3)

def test_the_finding(tmp_path):
    for name,x in dict(fine=noise, shifted=.5*noise+.05).items():
        save_audio(tmp_path/f'{name}.wav', x, 16000)
    pd.DataFrame(dict(file=['fine.wav', 'shifted.wav'], label='Speech')).to_csv(
        tmp_path / 'labels.csv', index=False)
    found = examine(tmp_path/'labels.csv', progress=False, n_workers=1).problems.set_index('key')
    assert (
        'offset' in FINDINGS and found.weight['offset'] == 'should'
        and found.cases['offset'][0].startswith('shifted.wav: +0.05'))

def test_cancelling_channels_have_a_bandwidth(tmp_path):
    save_audio(tmp_path/'a.wav', np.concatenate([noise, -noise]), 16000)
    facts = sound_facts(tmp_path/'a.wav')
    assert facts['bandwidth'] > 7000 and facts['note']==''

def test_pictures_of_cancelling_channels():
    from weakse.app.players import spectrogram_db
    both = torch.from_numpy(np.concatenate([noise, -noise]))
    with pytest.warns(UserWarning, match='cancel'):
        assert spectrogram_db(both, 16000).max() > -60

def test_stoi_in_threads_leaves_the_filters():
    "Threads that judge too little speech: an error each, and the caller's filters are as they were."
    before,said = list(warnings.filters),[]
    def judge():
        try:
            stoi(noise[0, :4000], noise[0, :4000], 16000)
        except MetricError as e:
            said.append(str(e))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter('always')
        threads = [threading.Thread(target=judge) for _ in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
    assert len(said)==8 and not heard and warnings.filters==before

def test_hushed_is_reentrant():
    with warnings.catch_warnings(record=True) as heard:
        with hushed(), hushed(RuntimeWarning):
            warnings.warn('x')
    assert not heard

odd = '$\\frac$ [b] _x^'

def test_names_with_dollars_in_pictures(tmp_path):
    import matplotlib.pyplot as plt
    from weakse.evaluation.ablation_answers import draw_ablation
    from weakse.mining.anchor_figure import show_anchor
    from weakse.corpora.audioset_manifest import show_coverage
    from weakse.detectors.small import SmallDetector
    from weakse.core.labels import Vocabulary
    drawn = [
        show_anchor(
            torch.from_numpy(noise[0]), 16000, SmallDetector(Vocabulary([odd, 'b']), width=2), odd, 0.5),
        show_coverage(pd.DataFrame(dict([('class', [odd]), ('listed', [3]), ('present', [2])]))).figure,
        draw_ablation(
            dict(
                title=odd,
                answers=[
                    dict(
                        choice=odd, instead=odd,
                        differences={'pesq': dict(low=-1, high=1, says='helps', seeds=[0.0], mean=0.1)})
                ],
            ),
            ('pesq',),
        ),
    ]
    for i,fig in enumerate(drawn):
        fig.savefig(tmp_path/f'{i}.png')
        plt.close(fig)
