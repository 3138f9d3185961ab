import TapestryData
import TapestryFormats

extension Recipe {
    /// Crop and flip, in the recipe's order, and jitter; then normalisation and cutout.
    package func augmentation(
        for dataset: any ImageDataset, size: Int, channels: Int, normalization: Normalization
    ) -> Augmentation {
        let target = ImageSize(height: size, width: size)
        var steps: [AugmentationStep] = []
        var crop: [AugmentationStep] = []
        if randomResizedCrop {
            crop.append(.randomResizedCrop(size: target))
        } else {
            steps = Preprocessing(
                for: dataset, size: size, channels: dataset.channels, normalization: normalization, sizing: inputSizing
            ).steps.map(AugmentationStep.preprocessing)
            if cropPadding > 0 { crop.append(.padAndCrop(padding: cropPadding, size: target)) }
        }
        let flip: [AugmentationStep] = flipProbability > 0 ? [.horizontalFlip(probability: flipProbability)] : []
        steps += flipFirst ? flip + crop : crop + flip
        if !colorJitter.isEmpty {
            steps.append(
                .colorJitter(
                    ColorJitter(
                        brightness: colorJitter[0], contrast: colorJitter[1], saturation: colorJitter[2],
                        hue: colorJitter[3])))
        }
        if dataset.channels != channels { steps.append(.preprocessing(.channels(channels))) }
        return Augmentation(steps, normalization: normalization, cutout: cutout > 0 ? cutout : nil)
    }
}
