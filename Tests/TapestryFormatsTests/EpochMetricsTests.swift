import Foundation
import TapestryFormats
import Testing

@Suite("Metrics") struct EpochMetricsTests {
    private let training = EpochMetrics.Training(
        learningRate: 0.1, loss: 2, top1: 20, imagesPerSecond: 100, seconds: 3)
    private let test = EpochMetrics.Test(loss: 1.5, top1: 30, top5: 80, seconds: 1)

    private func json(_ metrics: EpochMetrics) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        return String(decoding: try encoder.encode(metrics), as: UTF8.self)
    }

    private func read(_ text: String) throws -> EpochMetrics {
        try JSONDecoder().decode(EpochMetrics.self, from: Data(text.utf8))
    }

    /// What was not measured has no key.
    @Test func figuresStandBesideTheEpoch() throws {
        let trained = #""imagesPerSecond":100,"learningRate":0.1,"#
        let loss = #""trainLoss":2,"trainSeconds":3,"trainTop1":20}"#
        let cases: [(EpochMetrics, String)] = [
            (
                EpochMetrics(epoch: 3, training: training, test: test),
                #"{"epoch":3,"# + trained + #""testLoss":1.5,"testSeconds":1,"testTop1":30,"testTop5":80,"# + loss
            ),
            (EpochMetrics(epoch: 3, training: training, test: nil), #"{"epoch":3,"# + trained + loss),
            (
                EpochMetrics(epoch: 0, training: nil, test: test),
                #"{"epoch":0,"testLoss":1.5,"testSeconds":1,"testTop1":30,"testTop5":80}"#
            ),
        ]
        for (metrics, text) in cases {
            #expect(try json(metrics) == text)
            #expect(try read(text) == metrics)
        }
    }

    @Test(arguments: [
        #"{"epoch":0,"testLoss":1.5,"testSeconds":1,"testTop1":30}"#, #"{"epoch":1,"learningRate":0.1}"#,
        #"{"testLoss":1.5,"testSeconds":1,"testTop1":30,"testTop5":80}"#,
    ])
    func halfAMeasurementIsNone(text: String) { #expect(throws: DecodingError.self) { try read(text) } }

    @Test func theBestIsTheFirstOfTheTested() throws {
        func epoch(_ number: Int, _ top1: Double?) -> EpochMetrics {
            EpochMetrics(
                epoch: number, training: training,
                test: top1.map { EpochMetrics.Test(loss: 1, top1: $0, top5: 90, seconds: 1) })
        }
        #expect([epoch(1, 10), epoch(2, nil), epoch(3, 30), epoch(4, 30), epoch(5, 0)].best?.epoch == 3)
        #expect([epoch(1, nil), epoch(2, 0)].best?.epoch == 2)
        #expect([epoch(1, nil)].best == nil)
    }
}
