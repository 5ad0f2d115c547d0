"""Sound files as people have them: every coding is read, what is written is the nearest that the coding
holds, and no header is believed."""
import errno, os, shutil, stat, subprocess, sys, tempfile
from pathlib import Path
import numpy as np, pytest, soundfile as sf, torch
from weakse.core.audio import BITS, audio_info, load_audio, save_audio, sound_files, write_samples
from weakse.core.headers import mp3_frame
from weakse.core.waveform import AudioError, AudioWarning, EmptyAudioError, MissingAudioError
from weakse.app.sound_facts import sound_facts
from weakse.cli.detection import detect_files
from doubles import band_system, BandDetector
from weakse.inference.detecting import detect_long
from weakse.inference.extract_files import extract_file
from weakse.inference.enhance import enhance_file, enhance_files
from weakse.inference.files import OutputCollisionError
from weakse.inference.reading import survey_file

RATE = 16000

def tone(n=RATE, rate=RATE):
    return (.3*np.sin(2*np.pi*440*np.arange(n)/rate)).astype('f4')

def test_a_long_vorbis_at_a_high_rate_is_written_whole(tmp_path):
    save_audio(tmp_path/'a.ogg', torch.from_numpy(tone(70*48000, 48000)), 48000)
    assert audio_info(tmp_path/'a.ogg').frames == 70*48000

def test_vorbis_beyond_its_rates_is_refused(tmp_path):
    "The encoder ends the process at 250 kHz."
    with pytest.raises(AudioError, match='at most 200000 Hz'): save_audio(tmp_path/'o.ogg', np.ones(8000), 1_000_000)
    sf.write(tmp_path/'a.wav', np.zeros(9000), 384_000)
    with pytest.raises(AudioError, match='use .wav or .flac'):
        enhance_file(tmp_path/'a.wav', tmp_path/'o.ogg', 'noisy')
    assert not (tmp_path/'o.ogg').exists()

@pytest.mark.parametrize(
    'form,subtype',
    [
        ('WAV', 'PCM_16'), ('WAV', 'PCM_24'), ('WAV', 'PCM_32'), ('WAV', 'PCM_U8'), ('FLAC', 'PCM_16'),
        ('FLAC', 'PCM_24'), ('FLAC', 'PCM_S8'), ('AIFF', 'PCM_S8'), ('CAF', 'ALAC_16')],
)
def test_steps_are_rounded_to_nearest_and_clipped(tmp_path, form, subtype):
    wav = torch.rand(2, 70000, dtype=torch.float64, generator=torch.Generator().manual_seed(0))*2.2 - 1.1
    wav[0,:4] = torch.tensor([1., -1, 5, -5])
    with sf.SoundFile(tmp_path/'a', 'w', RATE, 2, subtype, format=form) as f:
        write_samples(f, wav)
    got,full = sf.read(tmp_path/'a', always_2d=True)[0].T,2**(BITS[subtype]-1)
    want = (wav*full).round().clamp(-full, full-1)/full
    np.testing.assert_array_equal(got[:,:70000], want.numpy())

@pytest.mark.parametrize('subtype', ['ALAC_16','ALAC_20','ALAC_24','ALAC_32'])
def test_alac_holds_the_nearest_step(tmp_path, subtype):
    wav,full = torch.from_numpy(tone()).double()[None],2**(BITS[subtype]-1)
    with sf.SoundFile(tmp_path/'a.caf', 'w', RATE, 1, subtype, format='CAF') as f:
        write_samples(f, wav)
    np.testing.assert_array_equal(sf.read(tmp_path/'a.caf')[0][:RATE], ((wav*full).round()/full)[0].numpy())

def test_the_error_of_rounding_has_no_mean_and_dither_frees_it_from_the_signal(tmp_path):
    wav = torch.full((50000,), .3/32768)
    plain, dithered = (
        sf.read(save_audio(tmp_path / 'a.wav', wav, RATE, dither=d, overwrite=True))[0] * 32768
        for d in (False, True))
    assert not plain.any() and abs(dithered.mean()-.3) < .02
    again = sf.read(save_audio(tmp_path/'b.wav', wav, RATE, dither=True))[0]*32768
    np.testing.assert_array_equal(dithered, again)

ORDERED = [
    ('WAV', 'GSM610', 8000), ('AU', 'G721_32', 8000), ('AU', 'G723_24', 8000), ('WAV', 'NMS_ADPCM_16', 8000),
    ('AIFF', 'DWVW_16', RATE)]

@pytest.mark.parametrize('form,subtype,rate', ORDERED)
def test_what_cannot_be_searched_is_read_in_order(tmp_path, form, subtype, rate):
    path = tmp_path/f'a.{form.lower()}'
    sf.write(path, tone(3*rate, rate), rate, subtype=subtype, format=form)
    whole,part = load_audio(path)[0],load_audio(path, start=1, seconds=.5)[0]
    assert len(whole) >= 3*rate and part.equal(whole[rate:rate*3//2])
    assert np.corrcoef(whole[:3*rate], tone(3*rate, rate))[0,1] > .9
    row = enhance_file(path, tmp_path/'o.wav', 'noisy', block=.5, start=.25, subtype='FLOAT')
    assert row['status'] == 'ok'
    np.testing.assert_allclose(load_audio(tmp_path/'o.wav')[0], whole[rate//4:], atol=1e-6)

def test_an_mp3_without_a_length_is_read_to_its_end(tmp_path):
    noise = .1*np.random.default_rng(0).standard_normal(RATE*10).astype('f4')
    sf.write(
        tmp_path / 'a.mp3', np.concatenate([tone(RATE * 10), noise]), RATE, format='MP3',
        bitrate_mode='VARIABLE', compression_level=0.5)
    data = (tmp_path/'a.mp3').read_bytes()
    (tmp_path/'a.mp3').write_bytes(data[mp3_frame(data[:4])[0]:])
    with pytest.warns(AudioWarning, match='read to its end'):
        wav = load_audio(tmp_path/'a.mp3')[0]
    assert abs(len(wav)/RATE - 20) < .2
    row = enhance_file(tmp_path/'a.mp3', tmp_path/'o.wav', 'noisy')
    assert row['seconds'] == round(len(wav)/RATE, 3) and row['message'].count('read to its end') == 1

def test_a_wav_whose_recorder_died_is_read_to_its_end(tmp_path):
    for name,n in (('a.wav', RATE), ('none.wav', 0)):
        sf.write(tmp_path/name, tone(n), RATE)
        data = bytearray((tmp_path/name).read_bytes())
        data[4:8] = data[40:44] = bytes(4)
        (tmp_path/name).write_bytes(data)
    with pytest.warns(AudioWarning, match='read to its end'):
        wav = load_audio(tmp_path/'a.wav')[0]
    np.testing.assert_allclose(wav, tone(), atol=1e-4)
    with pytest.raises(EmptyAudioError):
        load_audio(tmp_path/'none.wav')

def test_one_list_of_suffixes_and_nothing_is_passed_over(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    folder = tmp_path/'in'
    folder.mkdir()
    for s in ('wav','wave','bwf'):
        sf.write(folder/f'{s}.{s}', tone(), RATE, format='WAV')
    for s in ('m4a','mp4','webm','wma','raw'):
        (folder/f'{s}.{s}').write_bytes(b'abcd'*99)
    (folder/'notes.txt').write_text('no sound')
    rows = enhance_files(folder, tmp_path/'o', 'noisy', progress=False).set_index('input')
    assert len(rows) == 8 and (rows.status == 'failed').sum() == 5
    assert all(t in rows.loc[str(folder/'wma.wma')].message for t in ('ffmpeg', 'install'))
    assert 'rate and channels' in rows.loc[str(folder/'raw.raw')].message

@pytest.mark.skipif(os.name == 'nt', reason="the stand-in is a script of the shell")
def test_a_film_is_read_through_ffmpeg(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch)
    (tmp_path/'in').mkdir()
    (tmp_path/'in'/'talk.mp4').write_bytes(b'film')
    np.testing.assert_array_equal(load_audio(tmp_path/'in'/'talk.mp4')[0], tone())
    rows = enhance_files(tmp_path/'in', tmp_path/'o', 'noisy', progress=False)
    assert list(rows.status) == ['ok'] and (tmp_path/'o'/'talk.mp4.wav').is_file()

def test_hidden_files_are_no_inputs(tmp_path):
    for name in ('a.wav', '.l.1234.tmp.wav', '.a.wav.mix.w64', '.old/b.wav'):
        (tmp_path/name).parent.mkdir(exist_ok=True)
        sf.write(tmp_path/name, tone(), RATE)
    assert sound_files(tmp_path) == [tmp_path/'a.wav']
    assert len(enhance_files(tmp_path, tmp_path/'o', 'noisy', progress=False)) == 1

def test_what_is_no_regular_file_is_said(tmp_path):
    os.mkfifo(tmp_path/'pipe.wav')
    with pytest.raises(AudioError, match='name it `-`'):
        load_audio(tmp_path/'pipe.wav')
    (tmp_path/'in').mkdir()
    (tmp_path/'in'/'self.wav').symlink_to('self.wav')
    sf.write(tmp_path/'in'/'a.wav', tone(), RATE)
    rows = enhance_files(tmp_path/'in', tmp_path/'o', 'noisy', progress=False)
    assert sorted(rows.status) == ['failed','ok']

@pytest.mark.parametrize(
    'where', [dict(start=1e305), dict(start=float('inf')), dict(start=1e17), dict(seconds=-1)], ids=str)
def test_a_place_that_cannot_be_meant(tmp_path, where):
    sf.write(tmp_path/'a.wav', tone(), RATE)
    with pytest.raises(AudioError, match='expected start >= 0'):
        load_audio(tmp_path/'a.wav', **where)
    with pytest.raises(AudioError, match='expected start >= 0'):
        enhance_file(tmp_path/'a.wav', tmp_path/'o.wav', 'noisy', **where)

def test_any_number_of_seconds_means_to_the_end(tmp_path):
    sf.write(tmp_path/'a.wav', tone(), RATE)
    assert len(load_audio(tmp_path/'a.wav', seconds=1e305)[0]) == RATE

def kbits(path):
    return 8e-3*path.stat().st_size/audio_info(path).seconds

@pytest.mark.parametrize(
    'suffix,level', [('mp3', 0.0), ('mp3', 0.5), ('ogg', 0.0), ('ogg', 0.6), ('opus', 0.0), ('opus', 0.6)])
@pytest.mark.parametrize('rate', [16000, 48000])
def test_a_lossy_coding_keeps_at_least_the_bits_of_the_input(tmp_path, suffix, level, rate):
    path,noise = tmp_path/f'a.{suffix}',.1*np.random.default_rng(0).standard_normal((rate*2, 2)).astype('f4')
    form, subtype, mode = dict(
        mp3=('MP3', None, dict(bitrate_mode='CONSTANT')), ogg=('OGG', 'VORBIS', {}), opus=('OGG', 'OPUS', {})
    )[suffix]
    with sf.SoundFile(path, 'w', rate, 2, subtype, format=form, compression_level=level, **mode) as f:
        for at in range(0, len(noise), 2**14):
            f.write(noise[at:at+2**14])
    enhance_file(path, tmp_path/f'o.{suffix}', 'noisy')
    assert (
        kbits(tmp_path / f'o.{suffix}') > 0.9 * kbits(path)
        and audio_info(tmp_path / f'o.{suffix}').subtype == audio_info(path).subtype)
    enhance_file(path, tmp_path/f'few.{suffix}', 'noisy', bitrate=24)
    assert kbits(tmp_path/f'few.{suffix}') <= kbits(path) + 1

def test_opus_is_opus_or_says_its_rates(tmp_path):
    sf.write(tmp_path/'a.wav', tone(), RATE)
    enhance_file(tmp_path/'a.wav', tmp_path/'o.opus', 'noisy')
    assert audio_info(tmp_path/'o.opus').subtype == 'OPUS'
    sf.write(tmp_path/'b.wav', tone(), 44100)
    with pytest.raises(AudioError, match='Opus holds 8000'):
        enhance_file(tmp_path/'b.wav', tmp_path/'p.opus', 'noisy')

@pytest.mark.parametrize('subtype,same', [('ALAC_20','PCM_24'), ('ALAC_24','PCM_24'), ('ALAC_32','PCM_32')])
def test_what_the_library_writes_wrong_is_not_written(tmp_path, subtype, same):
    sf.write(tmp_path/'a.caf', tone(), RATE, subtype=subtype)
    with pytest.raises(AudioError, match=f"use 'ALAC_16', or '{same}'"):
        enhance_file(tmp_path/'a.caf', tmp_path/'o.caf', 'noisy', subtype=subtype)
    enhance_file(tmp_path/'a.caf', tmp_path/'o.caf', 'noisy')
    assert audio_info(tmp_path/'o.caf').subtype == same
    np.testing.assert_array_equal(load_audio(tmp_path/'o.caf')[0], load_audio(tmp_path/'a.caf')[0])

@pytest.mark.parametrize('level', [.01, 1.])
def test_dithered_halves_add_up(tmp_path, level):
    wav = level*torch.from_numpy(tone()+.05*np.random.default_rng(0).standard_normal(RATE).astype('f4'))/.3
    save_audio(tmp_path/'a.wav', wav.clamp(-1, 1), RATE)
    def run(**how):
        row = extract_file(
            tmp_path / 'a.wav', tmp_path / 'k.wav', tmp_path / 'r.wav', keep='Speech', system=band_system(),
            detector=None, overwrite=True, **how)
        return row['gain_db'],*(sf.read(tmp_path/f'{n}.wav', dtype='int16')[0].astype(int) for n in 'kr')
    (gain,kept,removed),(_,plain,_) = run(dither=True),run()
    whole = np.rint(sf.read(tmp_path/'a.wav', dtype='int16')[0].astype(float)*10**(gain/20))
    assert np.abs(kept+removed-whole).max() <= (1 if gain else 0) and (kept != plain).any()
    if not gain:
        assert np.abs(kept-plain).max() <= 2

@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason="needs ffmpeg, which reads these kinds")
@pytest.mark.parametrize('suffix', ['m4a','mp4','mkv','wma','ac3'])
def test_the_true_ffmpeg_is_understood(tmp_path, suffix):
    sf.write(tmp_path/'a.wav', np.stack([tone(3*48000, 48000)]*2, 1), 48000)
    made = subprocess.run(
        ['ffmpeg', '-nostdin', '-v', 'error', '-i', tmp_path / 'a.wav', tmp_path / f'b.{suffix}'],
        capture_output=True)
    if made.returncode:
        pytest.skip(f"this ffmpeg cannot write .{suffix}")
    wav,rate = load_audio(tmp_path/f'b.{suffix}')
    assert rate == 48000 and abs(len(wav)/rate - 3) < .1
    np.testing.assert_allclose(wav[rate:2*rate].square().mean().sqrt(), .3/2**.5, rtol=.05)
    row = enhance_file(tmp_path/f'b.{suffix}', tmp_path/'o.wav', 'noisy')
    assert row['status'] == 'ok' and row['message'] == '' and abs(row['seconds']-3) < .1

def counted(monkeypatch):
    "Each call of ffmpeg from here on."
    calls,run = [],subprocess.run
    monkeypatch.setattr(
        'weakse.core.decoding.subprocess.run', lambda *a, **how: calls.append(a) or run(*a, **how))
    return calls

@pytest.mark.skipif(shutil.which('ffmpeg') is None, reason="needs ffmpeg, which reads these kinds")
def test_a_foreign_kind_is_decoded_once(tmp_path, monkeypatch):
    sf.write(tmp_path/'a.wav', tone(130*RATE), RATE)
    subprocess.run(['ffmpeg','-nostdin','-v','error','-i',tmp_path/'a.wav',tmp_path/'b.m4a'], check=True)
    (tmp_path/'t').mkdir()
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path/'t'))
    calls,talk = counted(monkeypatch),tmp_path/'b.m4a'
    def once(f, name):
        shutil.copy(talk, tmp_path/name)
        calls.clear()
        f(tmp_path/name)
        assert len(calls)==1, name
    once(lambda p: enhance_file(p, tmp_path/'o.wav', 'noisy', block=30), 'enhance.m4a')
    once(
        lambda p: extract_file(
            p, tmp_path / 'k.wav', tmp_path / 'r.wav', keep='Speech', system=band_system(),
            detector=BandDetector()),
        'extract.m4a',
    )
    once(lambda p: detect_files([p], BandDetector()), 'detect.m4a')
    once(sound_facts, 'doctor.m4a')
    once(lambda p: [load_audio(p, start=s, seconds=1) for s in range(9)], 'parts.m4a')
    assert not os.listdir(tmp_path/'t')                      # what was decoded has no name
    whole = load_audio(talk)[0]
    assert torch.cat(
        [load_audio(talk, start=s, seconds=10)[0] for s in range(0, 140, 10) if s * RATE < len(whole)]
    ).equal(whole)

def stand_in(tmp_path, monkeypatch, end=''):
    "A program by the name of ffmpeg that gives a tone, whatever it is asked."
    sf.write(tmp_path/'sound.au', tone(), RATE, subtype='FLOAT', format='AU')
    (tmp_path/'ffmpeg').write_text(f'#!/bin/sh\ncat "{tmp_path}/sound.au"\n{end}\n')
    (tmp_path/'ffmpeg').chmod(0o755)
    monkeypatch.setenv('PATH', f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

@pytest.mark.skipif(os.name == 'nt', reason="the stand-in is a script of the shell")
def test_what_was_decoded_follows_its_file_and_is_not_hoarded(tmp_path, monkeypatch):
    stand_in(tmp_path, monkeypatch)
    calls,films = counted(monkeypatch),[tmp_path/f'{i}.mp4' for i in range(40)]
    for p in films:
        p.write_bytes(b'film')
    open_files = len(os.listdir('/proc/self/fd')) if os.path.isdir('/proc/self/fd') else None
    for p in films + films[-3:]:
        load_audio(p)
    assert len(calls)==len(films)
    if open_files is not None:
        assert len(os.listdir('/proc/self/fd')) <= open_files + 16
    films[-1].write_bytes(b'another film')
    load_audio(films[-1])
    assert len(calls)==len(films)+1
    part = survey_file(films[-1])                                # whoever works with it holds it
    for p in films[:20]:
        load_audio(p)
    calls.clear()
    part.read(0, 99)
    assert not calls

@pytest.mark.skipif(os.name == 'nt', reason="the stand-in is a script of the shell")
def test_a_decoder_that_stops_early_is_said(tmp_path, monkeypatch):
    (tmp_path/'a.mp4').write_bytes(b'film')
    stand_in(tmp_path, monkeypatch, 'echo "moov atom damaged" >&2; exit 1')
    with pytest.warns(AudioWarning, match='could not decode all of it .moov atom damaged'):
        load_audio(tmp_path/'a.mp4')
    assert 'moov atom' in enhance_file(tmp_path/'a.mp4', tmp_path/'o.wav', 'noisy')['message']
    stand_in(tmp_path, monkeypatch, f'echo "write: {os.strerror(errno.ENOSPC)}" >&2; exit 1')
    with pytest.raises(OSError, match='the disk is full; free some space there'):
        load_audio(tmp_path/'a.mp4')

def test_labels_that_are_linked_to_themselves_are_one_line(tmp_path):
    sf.write(tmp_path/'a.wav', tone(), RATE)
    (tmp_path/'labels').symlink_to('labels')
    with pytest.raises(OSError, match='labels'):
        detect_files([tmp_path/'a.wav'], None, labels=tmp_path/'labels')

@pytest.mark.parametrize(
    'inputs',
    [
        ['./a.wav', 'a.wav'], ['a.wav', '{here}/a.wav'], ['sub/../a.wav', 'a.wav'], ['a.wav', '{here}'],
        ['{here}', '.'], ['*.wav', './a.wav'], ['sub/../a.wav', '{here}/a.wav', '.']],
)
def test_a_file_that_is_named_twice_is_one_input(tmp_path, monkeypatch, inputs):
    here = tmp_path/'in'
    (here/'sub').mkdir(parents=True)
    sf.write(here/'a.wav', tone(), RATE)
    monkeypatch.chdir(here)
    inputs = [i.format(here=here) for i in inputs]
    rows = enhance_files(inputs, tmp_path/'o', 'noisy', progress=False)
    assert list(rows.status)==['ok'] and Path(rows.input[0]).samefile(here/'a.wav')
    assert [p.name for p in (tmp_path/'o').rglob('*.wav')]==['a.wav']
    assert len(detect_files(inputs, BandDetector())[1])==1

def test_files_that_are_two_stay_two(tmp_path, monkeypatch):
    (tmp_path/'in'/'sub').mkdir(parents=True)
    for name in ('a.wav','sub/a.wav'):
        sf.write(tmp_path/'in'/name, tone(), RATE)
    (tmp_path/'in'/'b.wav').symlink_to('a.wav')
    rows = enhance_files([tmp_path/'in', tmp_path/'in'/'sub'/'a.wav'], tmp_path/'o', 'noisy', progress=False)
    assert (
        sorted(str(p.relative_to(tmp_path / 'o')) for p in (tmp_path / 'o').rglob('*.wav'))
        == ['a.wav', 'b.wav', 'sub/a.wav'] and len(rows) == 3)
    with pytest.raises(OutputCollisionError):
        enhance_files(
            [tmp_path / 'in' / 'a.wav', tmp_path / 'in' / 'sub' / 'a.wav'], tmp_path / 'o2', 'noisy',
            progress=False)
