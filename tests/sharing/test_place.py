from nnunet_uad.sharing.folder_place import FolderPlace
from nnunet_uad.sharing.place import AbsentError, nothing_there, too_long


def test_what_is_said_names_the_place_and_what_helps(tmp_path):
    said = nothing_there(FolderPlace(tmp_path), AbsentError("There is no weights.json."))
    assert said.startswith("There is no weights.json. So ") and str(tmp_path) in said
    assert "export nnUNet_uad_pretrained=FILE" in said
    assert too_long("weights.json of hf://a/b").startswith("weights.json of hf://a/b is longer than ")
