"""Properties of a signal that must not spoil a result unsaid: extreme levels, offsets, mirrored channels,
integers; and notes that stay with their thread."""
import warnings
from concurrent.futures import ThreadPoolExecutor
import numpy as np, pytest, soundfile as sf, torch
from test_systems import folders                                     # noqa: F401, a fixture
from weakse.core.audio import load_audio, save_audio
from weakse.core.waveform import AudioWarning, down_mix, noted
from weakse.detectors.protocol import detect
from doubles import band_system, BandDetector, band_scene
from weakse.inference.detecting import detect_file
from weakse.inference.extract import extract
from weakse.inference.extract_files import extract_file
from weakse.inference.enhance import enhance, enhance_file
from weakse.inference.sequence import extract_sequence
from weakse.evaluation.scoring import score_folders
from weakse.evaluation.metrics import score_pair
from weakse.evaluation.segmental import ssnr
from weakse.inference.mixer import Mixer
from weakse.core.threads import torch_threads
from weakse.inference.stream import Stream
from weakse.models.registry import load_system

scene,rate = band_scene(),16000
levels = [1e-45, 1e-40, 1e-30, 1e-15, 1e15, 1e25, 1e37]

def finite(x):
    return np.isfinite(np.asarray(x)).all()

@pytest.mark.parametrize('gain', levels)
@pytest.mark.parametrize('name', ['noisy', 'highpass', 'wiener', 'unet', 'selective', 'wave_unet', 'segan'])
def test_extreme_levels_enhance(folders, name, gain):
    system,x = load_system(folders.get(name, name)),torch.stack([scene[:16000], -scene[:16000].flip(0)])*gain
    usual = enhance(x/gain if 1e-30 <= gain else scene[None, :16000], rate, system)
    for block in (None, .25):
        out = enhance(x, rate, system, block=block)
        assert finite(out)
    if name in ('noisy', 'highpass', 'wiener') and 1e-30 <= gain:
        assert (enhance(x, rate, system).double()/gain - usual).abs().max() < 1e-4*max(1, usual.abs().max())

@pytest.mark.parametrize('gain', [1e-40, 1e-15, 1e25, 3.2e38])
def test_extreme_levels_at_every_other_door(gain, tmp_path):
    x = (scene.double()/scene.abs().max()*gain).float()
    system = band_system()
    out = extract(x, rate, keep='Hum', drop='Whistle', system=system, detector=None)
    assert finite(out.kept) and finite(out.removed) and (out.kept+out.removed).equal(x.double())
    mixer = Mixer(x, rate, system, None, ['Hum', 'Speech'], progress=False)
    mixer.gains.update(dict(Hum=60., rest=-6))
    assert finite(mixer.render())
    assert all(finite(t) for pair in extract_sequence(system, x, ['Hum', 'Speech'], rate) for t in pair)
    assert finite(detect(torch.stack([x, x]), rate, BandDetector()).score)
    stream = Stream(system, rate, block=.5)
    assert finite(stream.push(x)) and finite(stream.flush())
    sf.write(tmp_path/'x.wav', x.numpy(), rate, subtype='FLOAT')
    extract_file(
        tmp_path / 'x.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep='Hum', system=system, detector=None)
    enhance_file(tmp_path/'x.wav', tmp_path/'e.wav', system)
    assert all(finite(sf.read(tmp_path/f'{n}.wav')[0]) for n in 'kre')

@pytest.mark.parametrize('name', ['noisy', 'highpass', 'wiener', 'unet', 'selective'])
def test_a_huge_offset_and_nothing_else(folders, name):
    for x in (torch.full((2, 16000), 1e38), torch.full((16000,), -3e38) + 1e30*scene[:16000]):
        assert finite(enhance(x, rate, load_system(folders.get(name, name))))

def test_a_whole_rate_may_be_a_float():
    system = band_system()
    whole, given = (
        extract(scene[:300], r, keep='Hum', system=system, detector=None) for r in (rate, float(rate)))
    assert whole.kept.equal(given.kept)
    mixers = [Mixer(scene[:300], r, system, None, ['Hum'], progress=False) for r in (rate, np.float64(rate))]
    assert mixers[0].render().equal(mixers[1].render())

@pytest.mark.parametrize('name', ['unet', 'selective', 'bands'])
def test_an_offset_changes_nothing(folders, tmp_path, name):
    system = band_system() if name=='bands' else load_system(folders[name])
    x = .5*(scene-scene.mean())
    usual,shifted = enhance(x, rate, system),enhance(x+.05, rate, system)
    assert (usual-shifted).abs().max() < 1e-4
    # a pure tone: rounding where the mask turns
    assert (
        enhance(x + 0.05, rate, system, block=0.4) - enhance(x + 0.05, rate, system, block=100.0)
    ).abs().max() < 2e-4 or name == 'bands'
    sf.write(tmp_path/'x.wav', (x+.05).numpy(), rate, subtype='FLOAT')
    enhance_file(tmp_path/'x.wav', tmp_path/'e.wav', system)
    assert np.abs(sf.read(tmp_path/'e.wav')[0] - shifted.numpy()).max() < 1e-6
    stream = Stream(system, rate, block=.4)
    out = torch.cat([stream.push(x+.05), stream.flush()[0]], -1)[-len(x):]
    assert (out-enhance(x, rate, system, block=.4)).abs().max() < 1e-2
    kept,removed = extract(x+.05, rate, keep='Speech', system=system, detector=None)
    assert (
        (kept + removed).equal((x + 0.05).double()) and abs(float(kept.mean())) < 1e-3
        and abs(float(removed.mean()) - 0.05) < 1e-3)

def test_mirrored_stereo_is_heard(tmp_path):
    ear = BandDetector()
    usual = detect(scene, rate, ear)
    assert len(usual)
    for share in (1, .98):
        stereo = torch.stack([scene, -share*scene])
        with pytest.warns(AudioWarning, match='turned over'):
            found = detect(stereo, rate, ear)
        assert list(found['class'])==list(usual['class'])
        path = save_audio(tmp_path/'a.wav', stereo, rate, overwrite=True)
        with noted() as notes:
            assert list(detect_file(path, ear)['class'])==list(usual['class'])
        assert len(notes)==1
    plain = torch.stack([scene, .3*scene.flip(0)])
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        assert down_mix(plain).equal(plain.mean(0))

def test_mirrored_stereo_is_scored(tmp_path):
    for name in ('clean', 'enhanced'):
        save_audio(tmp_path/name/'a.wav', torch.stack([scene, -.98*scene])*.5, rate)
    row = score_folders(tmp_path/'clean', tmp_path/'enhanced', n_workers=1, progress=False)['files'][0]
    assert row['ssnr']==35 and 'turned over' in row['note'] and str(tmp_path) not in row['note']

def test_integers_are_scaled_beside_floats():
    noisy = scene+.01*torch.randn(len(scene), generator=torch.Generator().manual_seed(0))
    whole = (scene*2**15).round().short()
    assert ssnr(whole.numpy(), noisy, rate)==ssnr(whole.float()/2**15, noisy, rate)
    assert score_pair(whole, noisy, rate)['si_sdr']==score_pair(whole.float()/2**15, noisy, rate)['si_sdr']

def test_threads_keep_their_notes(tmp_path):
    data = save_audio(tmp_path/'a.wav', scene, rate).read_bytes()
    for i in range(8):
        (tmp_path/f'cut{i}.wav').write_bytes(data[:len(data)//2])
    before = len(warnings.filters)
    def work(i):
        return enhance_file(tmp_path/f'cut{i%8}.wav', tmp_path/f'out{i}.wav', 'noisy')['message']
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(work, range(64)))
    assert all('cut short' in s for s in said) and len(warnings.filters)==before
    with pytest.warns(AudioWarning, match='cut short') as caught:
        load_audio(tmp_path/'cut0.wav')
    assert caught[0].filename==__file__

def test_threads_of_torch_are_set_back():
    before = torch.get_num_threads()
    def work(n):
        for _ in range(50):
            with torch_threads(n), torch_threads(1):
                pass
        return torch.get_num_threads()
    with torch_threads(3):
        with torch_threads(1):
            assert torch.get_num_threads()==1
        assert torch.get_num_threads()==3
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(work, [1, 2, 3, 4]*4))=={before}
    assert torch.get_num_threads()==before

def test_a_name_with_dollars_is_drawn_as_it_is():
    import io
    import matplotlib.pyplot as plt
    from weakse.core.display import plain_text, show
    ax = show(scene, rate, title=r'$\frac$')
    ax.set_xticks([0, 1], [plain_text(n) for n in (r'$\frac$', 'a $ b')])
    ax.figure.savefig(io.BytesIO())
    plt.close(ax.figure)

def test_the_doctor_draws_any_class(tmp_path):
    from weakse.app.checkup import examine
    from weakse.app.checkup_figures import draw_together
    for i in range(4):
        save_audio(tmp_path/f'{i}.wav', scene, rate)
    (tmp_path / 'l.csv').write_text(
        'file,label\n'
        + ''.join(f'{i}.wav,{n}\n' for i, n in enumerate([r'$\frac$', 'Hum', r'$\frac$+Hum', 'Hum'])))
    (tmp_path/'v.csv').write_text('index,mid,display_name\n0,/a,$\\frac$\n1,/b,Hum\n')
    report = examine(tmp_path/'l.csv', vocabulary=str(tmp_path/'v.csv'), n_workers=1, progress=False)
    draw_together(report).savefig(tmp_path/'t.svg')
    assert report.classes.index.tolist()==[r'$\frac$', 'Hum']
