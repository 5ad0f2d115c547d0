"""Blocks against one pass, streams against files, and runs that are killed: at lengths, rates and networks
that a notebook has no time for."""
import os, random, signal, subprocess, sys, time
from pathlib import Path
import commands, numpy as np, pytest, soundfile as sf, torch
from weakse.core.audio import audio_info, load_audio, save_audio
from weakse.inference.blocks import overlap_add
from weakse.inference.enhance import enhance, enhance_file
from weakse.core.labels import Vocabulary
from weakse.models.selective import SelectiveNet
from weakse.models.unet import ConditionalUNet
from weakse.models.wave_unet import WaveUNet
from weakse.inference.stream import Stream
from weakse.models.registry import load_system, save_system

names = Vocabulary(["Speech", "Dog", "Rain"])
small = dict(depth=2, n_fft=128, hop_length=32, width=1/8)
nets = dict(
    unet=lambda: ConditionalUNet(3, **small), level=lambda: ConditionalUNet(3, normalise=False, **small),
    compressed=lambda: ConditionalUNet(3, input='cubic_root', mask_floor_db=-30.0, **small),
    selective=lambda: SelectiveNet(3, n_embed=3, channels=(4, 4), **small),
    wave_unet=lambda: WaveUNet(width=1 / 8, depth=4))

@pytest.fixture(scope='module')
def systems(tmp_path_factory):
    "Untrained systems at 8 kHz that hear 0.4 s at a time, with masks of all sizes."
    torch.manual_seed(0)
    made = {}
    for name,make in nets.items():
        net,takes = make(),name != 'wave_unet'
        if takes:
            getattr(net, 'extractor', net).net.out.weight.data *= 50
        made[name] = load_system(
            save_system(
                net, tmp_path_factory.mktemp(name), sample_rate=8000, vocabulary=names if takes else None,
                bank=torch.eye(3) if takes else None, config=dict(block=0.4))
        )
    return made | {name: load_system(name) for name in ('noisy', 'highpass')}

def recording(n, channels=2, seed=0):
    "Noise whose level wanders over 60 dB, with a stretch of digital silence."
    g = torch.Generator().manual_seed(seed)
    wav = (
        0.1 * torch.randn(channels, n, generator=g)
        * 10 ** (-3 * torch.rand(channels, 1, generator=g) * torch.linspace(0, 1, n)))
    wav[:, n//3:n//3+n//10] = 0
    return wav

def around(block):
    return [n for k in range(4) for n in (k*block-1, k*block, k*block+1)]

def difference(system, n, rate, block, **options):
    once, cut = (
        enhance(recording(n), rate, system, block=b, precision='float32', **options) for b in (1e4, block))
    assert once.shape == cut.shape == (2, n)
    return (once-cut).abs().max().item()

@pytest.mark.parametrize('rate', [8000, 16000, 48000, 11025, 44100, 7999])
@pytest.mark.parametrize('name', [*nets, 'noisy', 'highpass'])
def test_blocks_agree_with_one_pass(systems, name, rate):
    block = .2
    for n in around(round(block*rate)):
        if n > 1:
            # the cubic root enlarges the resampler's rounding
            assert difference(systems[name], n, rate, block) < (1e-4 if name == "compressed" else 1e-5), (
                n, rate)

@pytest.mark.parametrize('name', ['unet', 'wave_unet'])
def test_it_is_the_context_that_does_it(systems, name):
    "A test that cannot fail shows nothing: without context blocks differ."
    assert difference(systems[name], 9000, 8000, .2, context=0, overlap=0) > 1e-3

def test_random_blocks_rates_and_strengths(systems):
    draw = random.Random(0)
    for i in range(60):
        rate,n = draw.randint(4000, 50000),draw.randint(2, 20000)
        options = dict(block=draw.uniform(.02, 1), overlap=draw.choice([None, 0, .01]))
        once, cut = (
            enhance(recording(n, 1, i), rate, systems['unet'], strength=0.8, precision='float32', **o)
            for o in (dict(block=1e4), options))
        assert (once-cut).abs().max() < 1e-5, (rate, n, options)

def test_a_block_of_no_length_is_one_of_ten_milliseconds(systems):
    "Sample by sample, thirty seconds would take minutes."
    wav = torch.randn(2, 3000, generator=torch.Generator().manual_seed(0))
    assert enhance(wav, 96000, 'highpass', block=1e-9).equal(enhance(wav, 96000, 'highpass', block=.01))

def test_nothing_in_nothing_out():
    assert overlap_add(lambda x: x, torch.zeros(2, 0), 10, 5, 3).shape == (2, 0)

@pytest.mark.parametrize(
    'suffix,subtype', [('.wav', 'PCM_16'), ('.wav', 'FLOAT'), ('.flac', 'PCM_24'), ('.ogg', 'VORBIS')])
def test_a_file_in_blocks_is_the_file_in_one_pass(tmp_path, systems, suffix, subtype):
    sf.write(tmp_path/f'in{suffix}', recording(60000).T.numpy(), 11025, subtype=subtype)
    for name,block in (('once', 1e4), ('cut', .3)):
        enhance_file(
            tmp_path / f'in{suffix}', tmp_path / f'{name}.wav', systems['unet'], block=block,
            precision='float32')
    once,cut = (load_audio(tmp_path/f'{name}.wav', mono=False)[0] for name in ('once', 'cut'))
    assert (once-cut).abs().max() < 1e-4 and audio_info(tmp_path/'cut.wav').frames == 60000

def test_titles_are_kept(tmp_path, systems):
    for suffix in ('.wav', '.flac', '.ogg'):
        with sf.SoundFile(tmp_path/f'in{suffix}', 'w', 8000, 1) as f:
            f.title,f.artist = 'Früh am Morgen','wer weiß'
            f.write(recording(9000, 1)[0].numpy())
        enhance_file(tmp_path/f'in{suffix}', tmp_path/f'out{suffix}', systems['unet'], block=.3)
        with sf.SoundFile(tmp_path/f'out{suffix}') as f:
            assert (f.title, f.artist) == ('Früh am Morgen', 'wer weiß')

# -- stopped and gone on
# -------------------------------------------------------------------------------------------------------------------------

slow = '''
import sys, time
from weakse.inference.enhance import enhance_file
from weakse.models.registry import load_system
system = load_system(sys.argv[1])
if len(sys.argv) > 4:
    import weakse.inference.resuming as i
    write = i.write_json
    def slowly(*a, **how): write(*a, **how); time.sleep(.2)
    i.write_json = slowly
enhance_file(sys.argv[2], sys.argv[3], system, block=.5)
'''

@pytest.mark.skipif(os.name != 'posix', reason="kills as POSIX does")
@pytest.mark.parametrize('suffix', ['.wav', '.flac'])
def test_killed_and_gone_on(tmp_path, systems, suffix):
    """No chance to clean up: SIGKILL in the middle. The next run does the rest, and the bytes are those of a
    run left alone."""
    folder = save_system(
        systems['unet'].model, tmp_path / 'system', sample_rate=8000, vocabulary=names, bank=torch.eye(3),
        config=dict(block=0.4))
    sf.write(tmp_path/f'in{suffix}', recording(80000).T.numpy(), 8000, subtype='PCM_16')
    words = folder, tmp_path/f'in{suffix}', tmp_path/f'out{suffix}', 'slowly'
    child = commands.start('-c', slow, *words, cwd=tmp_path, env=dict(PYTHONPATH=str(Path(__file__).parents[1])))
    side = tmp_path/f'.out{suffix}.part.json'
    while not (side.exists() and '"blocks": 1' not in side.read_text()):
        assert child.poll() is None
        time.sleep(.02)
    child.send_signal(signal.SIGKILL)
    assert child.wait().returncode==-signal.SIGKILL
    assert not (tmp_path/f'out{suffix}').exists()
    for name in ('out', 'alone'):
        enhance_file(tmp_path/f'in{suffix}', tmp_path/f'{name}{suffix}', folder, block=.5)
    assert (tmp_path/f'out{suffix}').read_bytes() == (tmp_path/f'alone{suffix}').read_bytes()
    assert not [p for p in tmp_path.iterdir() if '.part' in p.name]

def stopped(tmp_path, system, **options):
    "Leave a part behind after two blocks."
    import weakse.inference.resuming as module
    write,count = module.write_json,[]
    def stop(*a, **how):
        write(*a, **how)
        count.append(1)
        if len(count)==2: raise KeyboardInterrupt
    module.write_json = stop
    try:
        with pytest.raises(KeyboardInterrupt):
            enhance_file(tmp_path/'in.wav', tmp_path/'out.wav', system, **options)
    finally:
        module.write_json = write
    return tmp_path/'.out.wav.part', tmp_path/'.out.wav.part.json'

@pytest.mark.parametrize('what', ['setting', 'input', 'system', 'short', 'garbage'])
def test_a_part_of_another_run_is_not_used(tmp_path, systems, what):
    wav = recording(40000)
    how = dict(block=.5)
    system = 'unet'
    save_audio(tmp_path/'in.wav', wav, 8000)
    part,side = stopped(tmp_path, systems[system], **how)
    if what=='setting':
        how['target'] = 'Dog'
    if what=='input':
        save_audio(tmp_path/'in.wav', wav.flip(-1), 8000, overwrite=True)
    if what=='system':
        system = 'compressed'
    if what=='short':
        part.write_bytes(part.read_bytes()[:100])
    if what=='garbage':
        side.write_text('{')
    enhance_file(tmp_path/'in.wav', tmp_path/'out.wav', systems[system], **how)
    enhance_file(tmp_path/'in.wav', tmp_path/'alone.wav', systems[system], **how)
    assert (tmp_path/'out.wav').read_bytes() == (tmp_path/'alone.wav').read_bytes() and not part.exists()

# -- streams
# -------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize('rate,channels', [(8000, 1), (48000, 2), (11025, 3), (7999, 1)])
@pytest.mark.parametrize('name', ['unet', 'level', 'wave_unet', 'highpass'])
def test_a_stream_is_the_file_later(systems, name, rate, channels):
    draw,how = random.Random(rate),dict(block=.25, precision='float32')
    stream = Stream(systems[name], rate, channels, **how)
    for n in (1, rate//4-1, rate//4+1, rate, draw.randint(rate, 3*rate)):
        wav = recording(max(n, channels), channels)
        out = []
        at = 0
        while at < wav.shape[-1]:
            size = draw.choice([0, 1, 160, rate//7, rate])
            out.append(stream.push(wav[:, at:at+size]))
            assert out[-1].shape == wav[:, at:at+size].shape
            at += size
        out = torch.cat([*out, stream.flush()], -1)
        assert not out[:, :stream.latency].any()
        assert (out[:, stream.latency:] - enhance(wav, rate, systems[name], **how)).abs().max() < 1e-5, n

# -- memory
# --------------------------------------------------------------------------------------------------------------------------------------

@pytest.mark.skipif(sys.platform != 'linux', reason="reads the peak memory as Linux reports it")
def test_memory_of_a_stream_does_not_grow():
    code = f"import sys; sys.path.append({str(Path(__file__).parent)!r})" + """
import torch
from bench_rows import peak_mib
from weakse.inference.stream import Stream
torch.set_num_threads(1)
stream,block = Stream('highpass', 48000, 2, block=1.0),.1*torch.randn(2, 48000)
peaks = []
for seconds in (10, 100):
    for _ in range(seconds): stream.push(block)
    peaks.append(peak_mib())
print(peaks[1]-peaks[0])"""
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert float(done.stdout) < 40
