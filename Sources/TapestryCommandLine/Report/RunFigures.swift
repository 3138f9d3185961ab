import TapestryFormats

/// What an epoch of training came to.
struct TrainingFigures {
    let epoch: Int
    let learningRate: Double
    let loss: Double
    let imagesPerSecond: Double
    let seconds: Double
}

/// What the test images said of the network after an epoch.
struct TestFigures: Encodable {
    let epoch: Int
    /// In per cent.
    let top1: Double
    /// In per cent.
    let top5: Double
    let loss: Double
    let seconds: Double
}

extension RunRecord {
    /// One for each epoch of training, in their order.
    var trainings: [TrainingFigures] {
        epochs.compactMap { epoch in
            guard let training = epoch.training else { return nil }
            return TrainingFigures(
                epoch: epoch.epoch, learningRate: training.learningRate, loss: training.loss,
                imagesPerSecond: training.imagesPerSecond, seconds: training.seconds)
        }
    }

    /// One for each epoch after which the network was tested, in their order; epoch 0 is the untrained network.
    var tests: [TestFigures] {
        epochs.compactMap { epoch in
            guard let test = epoch.test else { return nil }
            return TestFigures(
                epoch: epoch.epoch, top1: test.top1, top5: test.top5, loss: test.loss, seconds: test.seconds)
        }
    }
}
