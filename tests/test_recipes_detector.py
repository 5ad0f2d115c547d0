"Follow the recipe for a new detector to the letter: two files change, and every door takes the detector."
import json
import pytest
from recipes import Copy, recipe
from weakse.detectors.protocol import load_detector

USED = """
    import json, soundfile, subprocess, sys, torch
    from pathlib import Path
    import weakse
    from weakse.detectors.protocol import Detector, load_detector
    wav = torch.zeros(48000)
    wav[16000:32000] = .1*torch.sin(torch.arange(16000)*.1)
    events = weakse.detect(wav, 16000, 'loudness')
    assert events[['class','onset','offset']].values.tolist() == [['Sound', 1., 2.]], events
    Path('prepared').mkdir()
    Path('prepared/config.json').write_text(json.dumps(dict(detector='loudness', format=2)))
    for found in (load_detector('loudness'), load_detector('prepared')):
        assert isinstance(found, Detector)
        assert found.framewise(wav[None]).shape == (1, 30, 1) and found.tags(wav[None]).shape == (1, 1)
    soundfile.write('a.wav', wav.numpy(), 16000)
    run = [sys.executable, '-c', 'from weakse.cli.main import main; main()']
    subprocess.run([*run, 'detect', 'a.wav', '--detector', 'loudness', '--csv', 'a.csv'], check=True)
    print(Path('a.csv').read_text().splitlines()[1].split(',')[1:4])
"""

def test_a_new_detector_is_one_notebook_and_one_line(tmp_path):
    module,line = recipe('A new detector')
    copy = Copy(tmp_path)
    copy.write('detectors/loudness.py', module)
    copy.insert('detectors/protocol.py', line, before='    "small",')
    assert copy.changed() == ['detectors/loudness.py', 'detectors/protocol.py']
    assert copy.run(USED).splitlines()[-1] == str(['Sound', '1', '2'])

@pytest.mark.parametrize('name', ['loudness', '', 'protocol', '../models.unet', 'os', 'detectors.small'])
def test_a_prepared_folder_chooses_among_the_known_detectors(tmp_path, name):
    (tmp_path/'config.json').write_text(json.dumps(dict(detector=name, format=2)))
    with pytest.raises(ValueError, match='known: audioset, small, panns, efficientat') as e:
        load_detector(tmp_path)
    assert '\n' not in str(e.value)
