from nnunet_uad.weights.without_names import dataset_without_cases, summary_without_cases


def test_what_prediction_reads_stays():
    content = {
        "channel_names": {"0": "T1"},
        "labels": {"background": 0, "lesion": [1, 2]},
        "regions_class_order": [1],
        "file_ending": ".nii.gz",
        "dataset": {"patient_x": {"images": ["patient_x.nii.gz"], "label": "y"}},
        "test": ["patient_y.nii.gz"],
        "something": "patient_z",
    }
    kept = dataset_without_cases(content)
    assert set(kept) == {"channel_names", "labels", "regions_class_order", "file_ending"} and "patient" not in str(kept)


def test_a_summary_keeps_its_numbers():
    case = {"metrics": {"1": {"Dice": 0.5}}, "prediction_file": "/x/patient_x.nii.gz", "reference_file": "/y"}
    kept = summary_without_cases({"metric_per_case": [case, case], "mean": {"1": {"Dice": 0.5}}, "other": "/x"})
    assert [c["prediction_file"] for c in kept["metric_per_case"]] == ["case 1", "case 2"] and "patient" not in str(
        kept
    )
    assert kept["mean"] == {"1": {"Dice": 0.5}} and summary_without_cases({}) == {"metric_per_case": []}
