"""Whether two pretrainings saw the same cases, as far as two records can tell."""

from __future__ import annotations

from nnunet_uad.weights.case_names import SeenCases
from nnunet_uad.weights.leakage import Overlap, compared_by_name
from nnunet_uad.weights.record import PretrainRecord


def cases_in_common(one: PretrainRecord, other: PretrainRecord, names: tuple[str, str]) -> str:
    """What two weights have both seen, or their forebears; names in clear are hashed with the salt of the other record.

    Args:
        one: Record of the first weights.
        other: Record of the second.
        names: Words for the first and for the second.

    Returns:
        What is known, in words; never empty.
    """
    pairs = [(a, b) for a in one.lineage for b in other.lineage if a.cases and b.cases]
    overlaps = [_overlap(a, b) for a, b in pairs]
    images, alike = (sum(len(getattr(o, kind).cases) for o in overlaps) for kind in ("certain", "suspected"))
    both = f"{names[0]} and {names[1]}"
    sentences = []
    if images:
        sentences.append(f"LEAKAGE: {both} were trained on the same images, {images} case(s).")
    if alike:
        sentences.append(
            f"LEAKAGE? {both} have {alike} case(s) that are called alike and whose images are not known to be the same."
        )
    blind = [(a, b) for a, b in pairs if _other_salts(a, b) and not (a.contents and b.contents)]
    if blind:
        which = "They" if len(blind) == len(pairs) else "Some of the trainings that they go back to"
        sentences.append(
            f"LEAKAGE? {which} could not be compared at all ({both}): the names of the cases are hashed with different "
            "salts, and one record or both have no fingerprints of the images (an earlier version wrote it). They may "
            'share any case; make one of the trainings anew, with nnUNet_uad_settings="keep_names=true" or with '
            "fingerprints, which this version writes."
        )
    pairs = [pair for pair in pairs if pair not in blind]
    if any(_other_salts(a, b) for a, b in pairs):
        sentences.append(
            f"LEAKAGE? The names of the cases of {both} are hashed with different salts, so only the images could be "
            "compared, by their fingerprints: a scan that was resampled, cropped or normalised in between is not "
            "noticed. Names can be compared if one of the trainings is made with "
            'nnUNet_uad_settings="keep_names=true".'
        )
    if any(not record.contents for pair in pairs for record in pair):
        sentences.append(compared_by_name(" or ".join(names)))
    if one.strangers or other.strangers:
        sentences.append("LEAKAGE? Some of the weights that they went on from have no record of their cases.")
    return " ".join(sentences) or f"{both} have no case in common, neither by name nor by image."


def _other_salts(one: PretrainRecord, other: PretrainRecord) -> bool:
    return bool(one.salt and other.salt and one.salt != other.salt)


def _overlap(one: PretrainRecord, other: PretrainRecord) -> Overlap:
    """Overlap of two pretrainings; of hashes with different salts only the images are compared: no two are equal."""
    same_dataset = one.dataset == other.dataset
    if other.salt and not one.salt:
        return Overlap.between(other.seen, one.seen.contents, same_dataset)
    seen = SeenCases(one.seen.contents) if other.salt else one.seen
    return Overlap.between(seen, other.seen.contents, same_dataset)
