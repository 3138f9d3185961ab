import ArgumentParser
import TapestryCore
import TapestryData
import TapestryFormats
import TapestryMethods
import TapestryRewrites

struct Convert: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Turn a trained network into the cheapest equivalent one, with proof that it is equivalent.",
        usage: "tapestry convert MODEL | --arch A -o OUT [--data DIR] [--json] …",
        discussion: """
            Batch norms are folded into the layers before them, the branches of asymmetric blocks become one kernel, \
            shifts become the taps of the next convolution, dropout goes. Both networks then run in double precision \
            on the same inputs; the largest difference and the agreement of their classes are printed and stored in \
            the file. Where they differ by more than rounding explains, nothing is written and the exit code is 65.

            OUT's extension says the form: .safetensors, .pt (for Python's torch.load: the tensors under state_dict, \
            named as the published programs name them), .hdf5 (as ACNet names tensors), .onnx (for other programs to \
            run: kernels dense, any number of images).

            With --for-training the way back: the model's weights in the network that --arch and --method name, such \
            as a dense network's in one of asymmetric blocks whose bars add nothing yet. Without --arch, --method \
            rewrites the model's own network.

            Without MODEL the network that --arch names is converted with fresh weights: to see how fast another program \
            runs it, before it is trained.

            --pack makes a .safetensors file smaller and loses nothing: every command reads it, and checks by a digest that \
            the weights are those that were packed.

            An ACNet's file of weights alone is fused by the names of its tensors if no --arch is given, as ACNet's \
            own converter does; the certificate is then of every block by itself.

            Examples:
              tapestry convert runs/a/best.safetensors -o a.safetensors --data ~/cifar
              tapestry convert finish.hdf5 -o finish_deploy.hdf5
              tapestry convert resnet20.pt -o a.safetensors --arch ec2t/resnet20
              tapestry convert runs/a/best.safetensors -o a.onnx
              tapestry convert --arch ask/vgg16 --method ask:ASK_4a -o fresh.onnx
              tapestry convert a.safetensors -o b.pt --for-training --method acb
              tapestry convert ternary.safetensors -o small.safetensors --pack entropy
            """)

    @Argument(
        help: "A model file; or, with --arch, a bare checkpoint, or nothing for fresh weights.", completion: .file())
    var model: String?

    @Option(name: [.short, .customLong("output")], help: "The file to write.", completion: .file())
    var output: String

    @OptionGroup(title: "Network of a bare checkpoint, or the one to train") var networkArguments: NetworkArguments
    @OptionGroup(title: "Images for the certificate") var dataArguments: DataArguments
    @OptionGroup var normalizationArguments: NormalizationArguments

    @Flag(help: "Write a network to be trained instead of a deployed one.")
    var forTraining = false

    @Flag(help: "Fold only the batch norms of branches that become one convolution, as ACNet's converter does.")
    var keepBatchNorm = false

    @Option(
        help: ArgumentHelp(
            "Pack weights that are ternary or mostly zeros: ternary (masks and signs) or entropy (the same, coded).",
            valueName: "form"))
    var pack: Packing?

    @Option(
        help: ArgumentHelp(
            "Inputs for the certificate, half of them images with --data; by default what about ten seconds allow.",
            valueName: "n"), transform: Positive.integer)
    var inputs: Int?

    @Flag(help: "Print one JSON document.")
    var json = false

    mutating func validate() throws {
        if model == nil, networkArguments.arch == nil {
            throw ValidationError("name a model, or by --arch a network, as ask/resnet20 (`tapestry archs` lists them)")
        }
        if forTraining, keepBatchNorm {
            throw ValidationError(
                "--keep-batch-norm is about deploying, --for-training about the way back; give one of them")
        }
    }

    func run() async throws {
        let form = try OutputForm(path: output, packing: pack)
        if let model, OutputForm.isSameFile(model, output) {
            throw CommandFailure(.usage, "\(output) is the model itself; name another file, lest the model be lost")
        }
        if forTraining, case .onnx = form {
            throw CommandFailure(.usage, "\(output): ONNX is for deployed networks; write another form --for-training")
        }
        if let model, networkArguments.arch == nil, !forTraining, try ACNetConversion.isNeeded(for: model) {
            return try report(await ACNetConversion(path: model).write(to: output, as: form))
        }
        let source = try self.source()
        var result = try forTraining ? trainable(source) : deployed(source)
        if pack != nil { result = result.withoutNegativeZeros }
        let images = try images(for: source)
        let count = try inputs ?? Self.affordableInputs(Count(source.graph).macs)
        let taken = images.prefix(count / 2)
        let certificate = try await certificate(source, result, random: count - taken.count, images: Array(taken))
        guard certificate.holds else { throw Self.failure(certificate, model: title) }
        var certified = result
        certified.facts[Certificate.fact] = try certificate.json
        let packing = try form.write(certified, layout: forTraining ? .training : .deployed, to: output)
        try report(
            ConversionReport(
                model: title, output: output, source: try .init(source), result: try .init(result),
                certificate: certificate, packing: packing))
    }
}

extension Packing: ExpressibleByArgument {}

// MARK: - From what and to what

extension Convert {
    /// What is converted, for texts.
    private var title: String { model ?? "\(networkArguments.title), fresh weights" }

    private func source() throws -> Model {
        guard let model else { return try networkArguments.freshModel() }
        guard forTraining else { return try networkArguments.model(at: model) }
        // Options name what to train; of the file they say something only where it does not say itself what it is.
        guard networkArguments.arch != nil else { return try NetworkArguments.selfDescribingModel(at: model) }
        let checkpoint = try Checkpoint.read(model)
        if ModelFile.isModel(checkpoint) { return try ModelFile.model(in: checkpoint, path: model) }
        let target = try networkArguments.network().graph
        var plain = networkArguments
        (plain.method, plain.methodConfig) = (nil, nil)
        return try networkArguments.fit(
            checkpoint, path: model,
            to: [
                { target }, { try target.deployed(.inBranches) }, { try target.deployed() },
                { try plain.network().graph }, { try plain.network().graph.deployed() },
            ])
    }

    private func deployed(_ source: Model) throws -> Model {
        do { return try source.deployed(keepBatchNorm ? .inBranches : .everywhere).model } catch {
            throw FormatError(file: title, reason: "\(error)")
        }
    }

    private func trainable(_ source: Model) throws -> Model {
        guard let model else { return source }
        let (target, method) = try target(for: source)
        do {
            var result = try source.retrainable(as: target, initial: Weights.initial(for: target, seed: 1))
            result.facts["architecture"] = networkArguments.arch ?? source.facts["architecture"]
            result.facts["method"] = method
            return result
        } catch {
            throw CommandFailure(.badData, "\(model): cannot become the network to train: \(error)")
        }
    }

    /// The network to train, and its method's text.
    private func target(for source: Model) throws -> (graph: Graph, method: String) {
        let assignment = try networkArguments.assignment()
        if networkArguments.arch != nil {
            let input = source.graph.inputShape
            let implied = NetworkOptions(
                classes: try source.graph.classCount(), imageSize: input[1], channels: input[0])
            return (try networkArguments.network(implied: implied).graph, assignment?.text ?? "dense")
        }
        guard let assignment else {
            throw CommandFailure(
                .usage,
                "--for-training: name the network to train by --arch and --method, or by --method alone to rewrite the "
                    + "model's own")
        }
        let earlier = source.facts["method"].flatMap { $0 == "dense" ? nil : $0 }
        return (
            try assignment.apply(to: source.graph),
            [earlier, assignment.text].compactMap { $0 }.joined(separator: ",")
        )
    }
}

// MARK: - The certificate

extension Convert {
    /// As many inputs as some ten seconds of the reference interpreter allow, from 2 to 32.
    private static func affordableInputs(_ macs: Int) -> Int { min(32, max(2, 8_000_000_000 / max(macs, 1))) }

    /// Test images as the model's inputs; none without --data.
    private func images(for source: Model) throws -> [Tensor<Float>] {
        guard let directory = dataArguments.data else { return [] }
        let opened = try DatasetKind.open(dataArguments.dataset, directory: directory, split: .test)
        let classifier = try ImageClassifier(Network(source, path: title), for: opened.dataset)
        let preprocessing = try source.preprocessing(
            for: opened.dataset, of: opened.kind, classifier: classifier, asked: normalizationArguments.normalize,
            path: title)
        let count = min(dataArguments.limitTest ?? 16, opened.dataset.count)
        let notes = UnreadableNotes()
        let unreadable = UnreadableImages(
            limit: dataArguments.limitUnreadable ?? UnreadableImages.defaultLimit, notice: notes.add)
        let loader = try Loader(
            opened.dataset, order: Array(0..<count), preprocessing: preprocessing,
            options: .init(batchSize: count, unreadable: unreadable.policy))
        guard let batch = try loader.next() else { return [] }
        try unreadable.add(batch.unreadable)
        notes.conclude("left out")
        return (0..<batch.count).map(batch.image)
    }

    private func certificate(
        _ source: Model, _ result: Model, random: Int, images: [Tensor<Float>]
    ) async throws -> Certificate {
        let bar = ProgressBar("certifying", total: random + images.count, unit: "inputs")
        defer { bar.finish() }
        return try await Certificate.compare(source, result, randomInputs: random, images: images) {
            bar.advance(by: 1)
        }
    }

    static func failure(_ certificate: Certificate, model: String) -> CommandFailure {
        CommandFailure(
            .badData,
            "\(model): the converted network is not equivalent, so nothing was written: its outputs differ by up to "
                + "\(certificate.largestRelativeDifference.significant(3)) of the largest one (at most "
                + "\(certificate.bound.significant(3)) is rounding) and \(certificate.top1Agreement.percent) of the "
                + "inputs keep their class")
    }

    private func report(_ report: ConversionReport) throws {
        try json ? Console.printJSON(report) : Console.print(report.text)
    }
}
